import { Recorded, type Position, type Sealed } from '../event.js';
import type { Batch, Bounds } from './log.js';
import type { LogRow } from './log.embedded.rows.js';

/**
 * What this process knows of one log: where it begins and ends, and what was appended last, for
 * those who follow it. That is no queue: a follower that was not there in time reads the file.
 */
export class Head {
  readonly number: number;
  readonly epoch: string;
  first: Position;
  next: Position;
  /** As JSON. */
  retention: string;
  dropped = false;
  #followers = 0;
  #latest: Batch | undefined;
  readonly #waiting = new Set<() => void>();

  constructor({ number, epoch, first, next, retention }: Omit<LogRow, 'workspace'>) {
    this.number = number;
    this.epoch = epoch;
    this.first = first as Position;
    this.next = next as Position;
    this.retention = retention;
  }

  get bounds(): Bounds {
    return { epoch: this.epoch, first: this.first, next: this.next };
  }

  hasAfter(position: Position): boolean {
    return Math.max(position + 1, this.first) < this.next;
  }

  /** Moves the head past records that are durable by now, and shows them to the followers. */
  advance(records: readonly Sealed[]): void {
    const { next } = this;
    this.next = (next + records.length) as Position;
    if (this.#followers > 0) {
      this.#latest = {
        records: records.map(
          ({ bytes, event }, index) => new Recorded((next + index) as Position, bytes, event),
        ),
        first: this.first,
        last: (this.next - 1) as Position,
      };
    }
    this.wake();
  }

  /** While anybody follows, the latest records are kept. Returns how to leave. */
  join(): () => void {
    this.#followers++;
    return () => {
      this.#followers--;
      if (this.#followers === 0) {
        this.#latest = undefined;
      }
    };
  }

  /** The latest records after a position, where none before them is missed. */
  latestAfter(position: Position): Batch | undefined {
    const latest = this.#latest;
    const begin = latest?.records[0]?.position;
    if (!latest || begin === undefined || begin > position + 1) {
      return undefined;
    }
    return { ...latest, records: latest.records.slice(position + 1 - begin) };
  }

  /** Resolves at the next change of this log, or when the signal aborts. */
  change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  drop(): void {
    this.dropped = true;
    this.wake();
  }

  /** Has all who wait look again. */
  wake(): void {
    for (const done of this.#waiting) {
      done();
    }
  }
}
