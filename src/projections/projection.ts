import { LogTruncated, type Batch, type EventLog } from '../commands/log.js';
import { BEFORE_FIRST, eventOf, type Incarnation, type Position, type Recorded } from '../event.js';
import { logger } from '../logger.js';
import { metrics } from '../metrics.js';
import { pause } from '../pause.js';
import { parseFilter } from '../queries/filter.js';
import { Turns } from '../turns.js';
import { Budget } from './budget.js';
import type { DeadLetters } from './deadletter.js';
import type { EventStore, Outcome } from './store.js';

/** A read of so much is the sign of a backlog, which is worked off without a pause. */
const BACKLOG_EVENTS = 200;
const BACKLOG_BYTES = 128 * 1024;

/**
 * Writes of one workspace under way, for a store that takes several at once: while it is at two of
 * them, the next are made ready.
 */
const WRITES_MAX = 8;
/**
 * What is being written of all workspaces. Of each byte, several are in memory by then: as it was
 * read, in the document made of it, and in the request.
 */
const WRITTEN_BYTES_MAX = 16 * 1024 * 1024;
export const budget = new Budget(WRITTEN_BYTES_MAX);

/** Only an event with these bytes can be one to keep out of the history; most need no parsing. */
const MARK = Buffer.from('"persist":false');

/** Where a projection reads and writes. */
export interface Ends {
  readonly log: EventLog;
  readonly store: EventStore;
  readonly deadLetters: DeadLetters;
}

/** How a projection goes about its work. */
export interface Course {
  /** What comes after a position, in order; waits for more, and ends when the signal aborts. */
  readonly read: (after: Position, signal: AbortSignal) => AsyncIterable<Batch>;
  readonly writesMax: number;
  /** Does a write of so many bytes when it may. */
  readonly spend: <T>(bytes: number, write: () => Promise<T>) => Promise<T>;
  /** Counts what was written, by outcome. */
  readonly counter: typeof metrics.historized;
}

/** Everything in the log, as soon as it is there. */
function allOf({ id, epoch }: Incarnation, { log }: Ends): Course {
  return {
    read: (after, signal) => log.follow(id, epoch, after, signal),
    writesMax: WRITES_MAX,
    spend: (bytes, write) => budget.spend(bytes, write),
    counter: metrics.historized,
  };
}

/** A batch on its way into the history. */
interface Pending {
  readonly last: Position;
  /** When its first event was accepted, in epoch milliseconds. */
  readonly acceptedAt: number;
}

/**
 * One workspace on its way from the log into the store. While some batches are being written the
 * next is read, and the checkpoint follows behind: no step waits for another’s round trip.
 */
export class Projection {
  readonly #of: Incarnation;
  readonly #ends: Ends;
  readonly #course: Course;
  /** The moves of the checkpoint, and what has to be done between two of them. */
  readonly #moves = new Turns();
  /** How far the history is, once that is known. */
  checkpoint: Position | undefined;
  /** Up to here everything is written or parked. */
  #written: Position | undefined;
  /** How far that is since the log was found to end before the checkpoint. */
  #anew: Position | undefined;
  #pending: Pending[] = [];
  #advancing: Promise<void> | undefined;

  constructor(of: Incarnation, ends: Ends, course = allOf(of, ends)) {
    this.#of = of;
    this.#ends = ends;
    this.#course = course;
  }

  /** When the oldest event that is being made searchable was accepted; epoch milliseconds. */
  get acceptedAt(): number | undefined {
    return this.#pending[0]?.acceptedAt;
  }

  /**
   * Goes on from the checkpoint until the signal aborts.
   *
   * @throws Whatever log or store fail with. To run again is safe: what was written is there.
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#carry(await this.#begin(), signal);
    } catch (error) {
      if (error instanceof LogTruncated) {
        metrics.logTruncations.inc();
        // What comes next stands where the history is already, so all is carried once more. The
        // checkpoint in the store goes on when the log is further than it was.
        this.#anew = BEFORE_FIRST;
        this.checkpoint = undefined;
      }
      throw error;
    }
  }

  async #begin(): Promise<Position> {
    const { log, store } = this.#ends;
    if (this.#anew === undefined) {
      return store.checkpoint(this.#of);
    }
    const trimmed = await store.trimmed(this.#of);
    const { next } = await log.bounds(this.#of.id);
    // What was trimmed is not to come back; but a log that ends before that was made anew.
    return Math.max(this.#anew, trimmed < next ? trimmed : BEFORE_FIRST) as Position;
  }

  async #carry(after: Position, signal: AbortSignal): Promise<void> {
    const { store } = this.#ends;
    const { writesMax } = this.#course;
    const failing = new AbortController();
    const ending = AbortSignal.any([signal, failing.signal]);
    let read = after;
    this.checkpoint = this.#written = read;
    const pending: Pending[] = [];
    const writing: Promise<void>[] = [];
    try {
      for await (const { records, first, last } of this.#course.read(read, ending)) {
        await this.#keepLoss(read, first);
        read = last;
        pending.push({ last: read, acceptedAt: acceptedAt(records) });
        this.#pending = pending;
        const next = this.#write(records, read, writing.at(-1)).then(() => {
          this.#advance(ending).catch((error: unknown) => {
            failing.abort(error);
          });
        });
        // It is told where it is waited for below.
        next.catch(() => undefined);
        writing.push(next);
        if (writing.length === writesMax) {
          await writing.shift();
        }
        if (!isBacklog(records)) {
          await writing.at(-1);
          await pause(store.gatherMs, ending);
        }
      }
    } finally {
      // What is under way would move the checkpoint of the next run.
      await Promise.allSettled(writing);
      await Promise.allSettled([this.#advancing]);
    }
    await writing.at(-1);
    failing.signal.throwIfAborted();
  }

  /** Lets the checkpoint rest while something is done that depends on where it is. */
  hold<T>(work: () => Promise<T>): Promise<T> {
    return this.#moves.take(work);
  }

  /** Writes a batch, and parks what of it is refused, once the batch before is through. */
  async #write(
    records: readonly Recorded[],
    last: Position,
    before?: Promise<void>,
  ): Promise<void> {
    const { spend, counter } = this.#course;
    const kept = records.filter(isKept);
    const write = async (): Promise<readonly Outcome[]> => {
      const stop = metrics.storeWriteSeconds.startTimer();
      const outcomes = await this.#ends.store.write(this.#of, kept);
      stop();
      return outcomes;
    };
    const [outcomes] = await Promise.all([
      kept.length > 0 ? spend(bytesOf(kept), write) : [],
      before,
    ]);
    for (const [index, outcome] of outcomes.entries()) {
      const record = kept[index];
      if (typeof outcome === 'object' && record) {
        await this.#ends.deadLetters.park(this.#of, record, outcome.refused);
        counter.inc({ outcome: 'refused' });
      }
    }
    counter.inc({ outcome: 'stored' }, outcomes.filter((o) => o === 'stored').length);
    counter.inc({ outcome: 'exists' }, outcomes.filter((o) => o === 'exists').length);
    this.#written = last;
  }

  /** Moves the checkpoint to what is written, unless that is being done already. */
  #advance(ending: AbortSignal): Promise<void> {
    this.#advancing ??= this.#catchUp(ending).finally(() => {
      this.#advancing = undefined;
    });
    return this.#advancing;
  }

  async #catchUp(ending: AbortSignal): Promise<void> {
    const { store } = this.#ends;
    while (this.#written !== undefined && this.checkpoint !== this.#written) {
      const to = this.#written;
      await this.#moves.take(() => store.advance(this.#of, to));
      this.checkpoint = to;
      this.#anew = this.#anew === undefined ? undefined : to;
      this.#pending.splice(0, this.#pending.findLastIndex(({ last }) => last <= to) + 1);
      await pause(store.gatherMs, ending);
    }
  }

  /**
   * Retention has passed the projection: what is gone from the log can never be searched. That is
   * kept before the checkpoint passes it, since afterwards nobody could tell.
   */
  async #keepLoss(read: Position, before: Position): Promise<void> {
    if (before <= read + 1) {
      return;
    }
    // Another node may have come further, or this one before it began anew.
    const known = Math.max(read, await this.#ends.store.checkpoint(this.#of)) as Position;
    // Without a checkpoint it may have been restored, and is whole as far as it goes.
    const after = known === BEFORE_FIRST ? await this.#newestBefore(before) : known;
    const lost = before - 1 - after;
    if (lost > 0) {
      await this.#ends.store.lose(this.#of, [{ after, before }]);
      metrics.unhistorized.inc(lost);
      const what = { workspaceId: this.#of.id, after, before };
      logger.error(what, 'the log has forgotten events before they were historized');
    }
  }

  async #newestBefore(before: Position): Promise<Position> {
    const { hits } = await this.#ends.store.search({
      of: [this.#of],
      filter: parseFilter({}),
      sort: 'position',
      order: 'newest',
      limit: 1,
      last: before - 1,
    });
    return hits[0]?.record.position ?? BEFORE_FIRST;
  }
}

function isBacklog(records: readonly Recorded[]): boolean {
  return records.length >= BACKLOG_EVENTS || bytesOf(records) >= BACKLOG_BYTES;
}

function bytesOf(records: readonly Recorded[]): number {
  return records.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
}

function acceptedAt([first]: readonly Recorded[]): number {
  return Date.parse((first && eventOf(first)?.createdAt) ?? '') || Date.now();
}

/**
 * Whether an event belongs into the history: all but those that were sent with `persist: false`.
 */
export function isKept(record: Recorded): boolean {
  const { bytes } = record;
  const marked = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(MARK);
  return !marked || eventOf(record)?.options?.persist !== false;
}
