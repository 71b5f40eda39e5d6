import { ServiceError } from '../errors.js';
import {
  BEFORE_FIRST,
  eventOf,
  type Event,
  type Position,
  type Recorded,
  type Sealed,
} from '../event.js';
import { logger } from '../logger.js';
import { pause } from '../pause.js';
import { SYSTEM_WORKSPACE } from '../policy.js';
import { LogTruncated, type EventLog } from './log.js';

const RESTART_MS = 1000;

/** Who is told of what the journal comes upon. */
interface Told {
  readonly fold: (event: Event) => void;
  /** What was folded is not in the log any more, and cannot be taken back: the node has to end. */
  readonly onFatal: (error: Error) => void;
}

/**
 * The log of the system workspace as a node follows it: what any node appends is folded here, once
 * and in order.
 */
export class Journal {
  readonly #log: EventLog;
  readonly #epoch: string;
  readonly #told: Told;
  readonly #changed = new Set<() => void>();
  readonly #stopping = new AbortController();
  #folded: Position = BEFORE_FIRST;
  #following: Promise<void> = Promise.resolve();

  constructor(log: EventLog, epoch: string, told: Told) {
    this.#log = log;
    this.#epoch = epoch;
    this.#told = told;
  }

  /** Folds from the first event on, until it is closed. */
  follow(): void {
    this.#following = this.#follow();
  }

  /** Resolves when the event is folded here. */
  async append(event: Sealed): Promise<Position> {
    const position = await this.#log.append(SYSTEM_WORKSPACE, [event]);
    await this.#until(() => this.#folded >= position);
    return position;
  }

  /** Folds what any node has appended up to now. */
  async catchUp(): Promise<void> {
    const { next } = await this.#log.bounds(SYSTEM_WORKSPACE);
    await this.#until(() => this.#folded >= next - 1);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    this.#tellChanged();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const batches = this.#log.follow(SYSTEM_WORKSPACE, this.#epoch, this.#folded, signal);
        for await (const { records, last } of batches) {
          for (const record of records) {
            this.#take(record);
          }
          this.#folded = last;
          this.#tellChanged();
        }
      } catch (error) {
        if (error instanceof LogTruncated) {
          this.#told.onFatal(error);
          return;
        }
        logger.error({ err: error }, 'cannot follow the system workspace, trying again');
        await pause(RESTART_MS, signal);
      }
    }
  }

  #take(record: Recorded): void {
    const { position } = record;
    this.#folded = position;
    const event = eventOf(record);
    if (event) {
      this.#told.fold(event);
    } else {
      logger.error({ position }, 'the system workspace has a record that is no event');
    }
  }

  #tellChanged(): void {
    for (const look of [...this.#changed]) {
      look();
    }
  }

  /** @throws ServiceError `unavailable` when the node stops before it holds. */
  async #until(holds: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (holds()) {
          resolve();
        } else if (this.#stopping.signal.aborted) {
          reject(new ServiceError('unavailable', 'The node is stopping.'));
        } else {
          return;
        }
        this.#changed.delete(look);
      };
      this.#changed.add(look);
      look();
    });
  }
}
