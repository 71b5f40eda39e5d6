import { ServiceError } from '../errors.js';
import type { Position, Sealed } from '../event.js';
import { pack } from '../slab.js';
import type { Head } from './log.embedded.head.js';
import { positionsMax, type Run } from './log.embedded.rows.js';

const MIB = 1024 * 1024;

/** One commit carries about so much: it takes some 10 ms, and more at a time is no faster. */
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

/** Runs one piece of work after the other, in the order of the calls. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
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
      await this.#write(parts.flatMap((part) => [...runsOf(part)]));
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
  readonly appends: Append[];
}

/** Leaves out, and rejects, the appends to a log that cannot take them. */
function partsOf(group: readonly Append[]): Part[] {
  const parts = new Map<Head, Part>();
  for (const append of group) {
    const part = parts.get(append.head) ?? { head: append.head, appends: [] };
    part.appends.push(append);
    parts.set(append.head, part);
  }
  return [...parts.values()].filter((part) => {
    const refusal = refusalOf(part);
    for (const { reject } of refusal ? part.appends : []) {
      reject(refusal!);
    }
    return !refusal;
  });
}

function refusalOf(part: Part): Error | undefined {
  if (part.head.dropped) {
    return new ServiceError('workspace-not-found', 'the workspace was deleted');
  }
  return part.head.next + recordsOf(part).length > positionsMax
    ? new Error(`a log takes ${positionsMax} records, and no more`)
    : undefined;
}

function recordsOf({ appends }: Part): Sealed[] {
  return appends.flatMap(({ records }) => records);
}

function runsOf(part: Part): Run[] {
  const { number, next } = part.head;
  const records = recordsOf(part);
  const runs: Run[] = [];
  let begin = 0;
  while (begin < records.length) {
    const rest = records.slice(begin, begin + runRecordsMax);
    const run = rest.slice(
      0,
      fitting(rest, ({ bytes }) => bytes.byteLength, runBytesMax),
    );
    const created = Date.parse(run[0]!.event.createdAt);
    runs.push({ log: number, first: next + begin, created, ...pack(run) });
    begin += run.length;
  }
  return runs;
}

/** After the commit only: what a reader can see may never be taken back. */
function acknowledge(part: Part): void {
  let position = part.head.next;
  part.head.advance(recordsOf(part));
  for (const { records, resolve } of part.appends) {
    resolve(position);
    position = (position + records.length) as Position;
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
