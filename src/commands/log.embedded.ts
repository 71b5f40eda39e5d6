import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { ServiceError } from '../errors.js';
import type { Position, Sealed } from '../event.js';
import type { Retention } from '../retention.js';
import { Turns } from '../turns.js';
import { GroupCommit } from './log.embedded.commit.js';
import { LogFile } from './log.embedded.file.js';
import { Head } from './log.embedded.head.js';
import type { LogRow } from './log.embedded.rows.js';
import { LogTruncated, type Batch, type Bounds, type EventLog } from './log.js';

/** What one read takes for a follower that is behind. */
const followBytes = 256 * 1024;

const epochDigits = 8;

export interface EmbeddedLogOptions {
  /** Told when the log has failed: every call does from then on, so the process should end. */
  readonly onFatal?: (error: Error) => void;
  /** How large the log file may become; past it appends fail as on a full disk. */
  readonly fileBytesMax?: number;
}

/**
 * Opens the log in a folder, or makes it. One process at a time has it open.
 *
 * @throws Error when the folder is in use, by this process too, or cannot be written.
 */
export async function openEmbeddedLog(
  folder: string,
  { fileBytesMax, onFatal }: EmbeddedLogOptions = {},
): Promise<EmbeddedLog> {
  const turns = new Turns();
  const { file, rows } = await LogFile.open({ folder, fileBytesMax }, turns);
  const log = new EmbeddedLog(file, rows, turns);
  void file.died.then((error) => {
    log.fail(error);
    onFatal?.(error);
  });
  return log;
}

/** The back end for one node: a SQLite file, written by one thread and read by another. */
export class EmbeddedLog implements EventLog {
  readonly #file: LogFile;
  /**
   * Each write is a turn, so that what is known here is, between two turns, what the file holds.
   */
  readonly #turns: Turns;
  readonly #commits: GroupCommit;
  readonly #heads = new Map<string, Head>();
  /** Why no call is served any more. */
  #ended: ServiceError | undefined;

  constructor(file: LogFile, rows: readonly LogRow[], turns: Turns) {
    this.#file = file;
    this.#turns = turns;
    this.#commits = new GroupCommit(turns, (runs) => file.commit(runs));
    for (const row of rows) {
      if (row.workspace !== null) {
        this.#heads.set(row.workspace, new Head(row));
      }
    }
  }

  async append(workspace: string, records: readonly Sealed[]): Promise<Position> {
    assert(records.length > 0, 'an append has at least one record');
    return this.#commits.append(this.#headOf(workspace), records);
  }

  async read(workspace: string, after: Position, limitBytes: number): Promise<Batch> {
    return this.#read(workspace, this.#headOf(workspace), after, limitBytes);
  }

  async *follow(
    workspace: string,
    epoch: string,
    after: Position,
    signal: AbortSignal,
  ): AsyncGenerator<Batch> {
    const head = this.#headOf(workspace, epoch);
    if (after >= head.next) {
      throw new LogTruncated(workspace, after);
    }
    const leave = head.join();
    const aborted = (): boolean => signal.aborted;
    // One signal may end any number of followers; Node takes more than ten for a leak.
    setMaxListeners(0, signal);
    let position = after;
    try {
      while (!aborted()) {
        this.#assertHeld(workspace, head);
        // Between this look at the head and the waiting for its change nothing may be awaited.
        if (!head.hasAfter(position)) {
          await head.change(signal);
          continue;
        }
        const batch =
          head.latestAfter(position) ?? (await this.#read(workspace, head, position, followBytes));
        if (batch.records.length > 0 && !aborted()) {
          position = batch.last;
          yield batch;
        }
      }
    } finally {
      leave();
    }
  }

  async bounds(workspace: string): Promise<Bounds> {
    return this.#headOf(workspace).bounds;
  }

  async seek(workspace: string, time: number): Promise<Position> {
    const { epoch } = this.#headOf(workspace);
    return found(workspace, await this.#file.seek(workspace, epoch, time));
  }

  async create(workspace: string, retention: Retention): Promise<Bounds> {
    this.#assertOpen();
    return this.#turns.take(async () => {
      const known = this.#heads.get(workspace);
      if (known) {
        return known.bounds;
      }
      const epoch = newEpoch();
      const text = JSON.stringify(retention);
      const number = await this.#file.create({ workspace, epoch, retention: text });
      const head = new Head({ number, epoch, first: 0, next: 0, retention: text });
      this.#heads.set(workspace, head);
      return head.bounds;
    });
  }

  async drop(workspace: string, epoch: string): Promise<void> {
    this.#assertOpen();
    return this.#turns.take(async () => {
      const head = this.#heads.get(workspace);
      if (head?.epoch === epoch) {
        await this.#file.drop(head.number);
        this.#heads.delete(workspace);
        head.drop();
      }
    });
  }

  async newest(workspace: string, bytes: number): Promise<Position> {
    const { epoch } = this.#headOf(workspace);
    return found(workspace, await this.#file.newest(workspace, epoch, bytes));
  }

  /** Is kept with the log; `trim` alone forgets. */
  async retain(workspace: string, epoch: string, retention: Retention): Promise<void> {
    const head = this.#headOf(workspace, epoch);
    return this.#turns.take(async () => {
      this.#assertHeld(workspace, head);
      const text = JSON.stringify(retention);
      if (head.retention !== text) {
        await this.#file.retain(head.number, text);
        head.retention = text;
      }
    });
  }

  /** At once for readers; little by little in the file. */
  async trim(workspace: string, epoch: string, before: Position): Promise<number> {
    const head = this.#headOf(workspace, epoch);
    return this.#turns.take(async () => {
      this.#assertHeld(workspace, head);
      const { first: begin, next } = head;
      const first = Math.min(Math.max(before, begin), next) as Position;
      await this.#file.trim(head.number, first);
      head.first = first;
      return first - begin;
    });
  }

  /** Has every call fail from now on, and those that follow. */
  fail(cause: Error): void {
    this.#end(new ServiceError('unavailable', 'the log has failed', { cause }));
  }

  async close(): Promise<void> {
    this.#end(new ServiceError('unavailable', 'the log is closed'));
    await this.#commits.settled();
    await this.#file.close();
  }

  async #read(workspace: string, head: Head, after: Position, limitBytes: number): Promise<Batch> {
    if (!head.hasAfter(after)) {
      return { records: [], first: head.first, last: Math.max(after, head.first - 1) as Position };
    }
    return found(workspace, await this.#file.read(workspace, head.epoch, after, limitBytes));
  }

  #end(reason: ServiceError): void {
    this.#ended ??= reason;
    for (const head of this.#heads.values()) {
      head.wake();
    }
  }

  #assertOpen(): void {
    if (this.#ended) {
      throw this.#ended;
    }
  }

  /** What was held before a wait may have been dropped since, and even made again. */
  #assertHeld(workspace: string, head: Head): void {
    this.#assertOpen();
    if (head.dropped) {
      throw notFound(workspace);
    }
  }

  #headOf(workspace: string, epoch?: string): Head {
    this.#assertOpen();
    const head = found(workspace, this.#heads.get(workspace));
    if (head.epoch !== (epoch ?? head.epoch)) {
      throw notFound(workspace);
    }
    return head;
  }
}

function newEpoch(): string {
  return randomInt(36 ** epochDigits)
    .toString(36)
    .padStart(epochDigits, '0');
}

/** What a log has given; nothing where it was dropped, by then or before. */
function found<T>(workspace: string, given: T | undefined): T {
  if (given === undefined) {
    throw notFound(workspace);
  }
  return given;
}

function notFound(workspace: string): ServiceError {
  return new ServiceError('workspace-not-found', `there is no workspace ${workspace}`);
}
