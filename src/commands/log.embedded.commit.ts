import { ServiceError } from '../errors.js';
import type { Position, Sealed } from '../event.js';
import { pack } from '../slab.js';
import type { Turns } from '../turns.js';
import type { Head } from './log.embedded.head.js';
import { positionsMax, type Run } from './log.embedded.rows.js';

const MIB = 1024 * 1024;

/** One commit carries about so much: it takes a few ms, and more at a time is no faster. */
const groupBytesMax = MIB;

/** What may wait for the disk; held in memory, so past it the producers have to hold it. */
const pendingBytesMax = 64 * MIB;

/** One row: a read of one record loads all of its run. */
const runBytesMax = 256 * 1024;
const runRecordsMax = 1000;

interface Append {
  readonly head: Head;
  readonly records: readonly Sealed[];
  readonly bytes: number;
  readonly resolve: (first: Position) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Group commit: what is appended while one commit runs goes into the next one, all together. An
 * append that finds no commit running goes at once, so that nothing ever waits for others to
 * come.
 */
export class GroupCommit {
  readonly #turns: Turns;
  readonly #write: (runs: Run[]) => Promise<void>;
  #waiting: Append[] = [];
  #pendingBytes = 0;

  constructor(turns: Turns, write: (runs: Run[]) => Promise<void>) {
    this.#turns = turns;
    this.#write = write;
  }

  append(head: Head, records: readonly Sealed[]): Promise<Position> {
    // Before the append is counted, so that one which is larger than the bound by itself gets in.
    if (this.#pendingBytes >= pendingBytesMax) {
      const details = { retryAfterSeconds: 1 };
      throw new ServiceError('unavailable', 'too many events wait for the disk', details);
    }
    const bytes = sum(records.map((record) => record.bytes.byteLength));
    this.#pendingBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ head, records, bytes, resolve, reject });
      if (this.#waiting.length === 1) {
        this.#schedule();
      }
    });
  }

  /** Resolves when every append so far has been answered. */
  async settled(): Promise<void> {
    do {
      await this.#turns.take(() => Promise.resolve());
    } while (this.#waiting.length > 0);
  }

  #schedule(): void {
    void this.#turns.take(() => this.#commit());
  }

  async #commit(): Promise<void> {
    const group = this.#takeGroup();
    if (this.#waiting.length > 0) {
      this.#schedule();
    }
    try {
      const parts = partsOf(group);
      await this.#write(parts.flatMap(runsOf));
      for (const part of parts) {
        acknowledge(part);
      }
    } catch (error) {
      for (const { reject } of group) {
        reject(error as Error);
      }
    } finally {
      this.#pendingBytes -= sum(group.map(({ bytes }) => bytes));
    }
  }

  #takeGroup(): Append[] {
    const count = fitting(this.#waiting, ({ bytes }) => bytes, groupBytesMax);
    return this.#waiting.splice(0, count);
  }
}

/** What of a group goes into one log. */
interface Part {
  readonly head: Head;
  readonly appends: readonly Append[];
  readonly records: readonly Sealed[];
}

/** Leaves out, and rejects, the appends to a log that cannot take them. */
function partsOf(group: readonly Append[]): Part[] {
  const appendsOf = new Map<Head, Append[]>();
  for (const append of group) {
    const appends = appendsOf.get(append.head);
    if (appends) {
      appends.push(append);
    } else {
      appendsOf.set(append.head, [append]);
    }
  }
  return [...appendsOf].flatMap(([head, appends]) => {
    const records = appends.flatMap((append) => append.records);
    const refusal = refusalOf(head, records.length);
    if (!refusal) {
      return [{ head, appends, records }];
    }
    for (const { reject } of appends) {
      reject(refusal);
    }
    return [];
  });
}

function refusalOf(head: Head, count: number): Error | undefined {
  if (head.dropped) {
    return new ServiceError('workspace-not-found', 'the workspace was deleted');
  }
  return head.next + count > positionsMax
    ? new Error(`a log takes ${positionsMax} records, and no more`)
    : undefined;
}

function runsOf({ head, records }: Part): Run[] {
  const runs: Run[] = [];
  let begin = 0;
  while (begin < records.length) {
    const rest = records.slice(begin, begin + runRecordsMax);
    const count = fitting(rest, ({ bytes }) => bytes.byteLength, runBytesMax);
    const run = rest.slice(0, count);
    const created = Date.parse(run[0]!.event.createdAt);
    runs.push({ log: head.number, first: head.next + begin, created, ...pack(run) });
    begin += count;
  }
  return runs;
}

/** After the commit only: what a reader can see may never be taken back. */
function acknowledge({ head, appends, records }: Part): void {
  let position = head.next;
  head.advance(records);
  for (const append of appends) {
    append.resolve(position);
    position = (position + append.records.length) as Position;
  }
}

/** How many items, from the first on and at least that, fit into so many bytes. */
function fitting<T>(items: readonly T[], sizeOf: (item: T) => number, bytesMax: number): number {
  let bytes = 0;
  const beyond = items.findIndex((item) => {
    bytes += sizeOf(item);
    return bytes > bytesMax;
  });
  return beyond === -1 ? items.length : Math.max(beyond, 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
