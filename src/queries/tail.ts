import type { Config } from '../config.js';
import { LogTruncated, type Batch, type Bounds, type EventLog } from '../commands/log.js';
import { ServiceError } from '../errors.js';
import type { Incarnation, Position, Recorded } from '../event.js';
import { logger } from '../logger.js';
import { metrics } from '../metrics.js';
import { once } from '../once.js';
import { pause } from '../pause.js';
import type { EventStore } from '../projections/store.js';
import { Fanout } from './fanout.js';
import type { Ring } from './ring.js';

/** How many events before the head a tail begins with: reconnecting subscribers stand there. */
const WARM_EVENTS = 1000;
const RESTART_MS = 1000;

export type TailConfig = Pick<Config, 'ringBytesMax' | 'readBytes' | 'positionSeconds'>;

/** What subscribers are served from. */
export interface Sources {
  readonly log: EventLog;
  readonly store: EventStore;
  /** What the store knows an incarnation by, at this moment. */
  readonly historyOf: (id: string, epoch: string) => Incarnation;
}

/** What there is after a position. */
export interface Stretch {
  readonly records: readonly Recorded[];
  /** How far it reaches: further than the records where what follows is not held. */
  readonly end: Position;
  /** Nothing holds the events from the position up to here. */
  readonly lostBefore?: Position;
}

/**
 * One workspace as this node sees it: one follow of its log, a ring of its latest batches, and the
 * subscribers at its head. Whoever is behind reads the ring, the log or the history by position,
 * and joins the others when it has met the head; there is no queue for anybody.
 */
export class Tail {
  readonly workspace: string;
  readonly epoch: string;
  readonly fanout = new Fanout();
  readonly #sources: Sources;
  readonly #config: TailConfig;
  readonly #ring: Ring;
  readonly #stopping = new AbortController();
  readonly #failed = new Set<(error: ServiceError) => void>();
  readonly #waiting = new Set<() => void>();
  readonly #reading = new Map<Position, Promise<Stretch>>();
  readonly #idleTimer: NodeJS.Timeout;
  #head: Position;
  #failure: ServiceError | undefined;

  constructor(workspace: string, bounds: Bounds, sources: Sources, config: TailConfig, ring: Ring) {
    this.workspace = workspace;
    this.epoch = bounds.epoch;
    this.#sources = sources;
    this.#config = config;
    this.#ring = ring;
    this.#head = Math.max(bounds.first - 1, bounds.next - 1 - WARM_EVENTS) as Position;
    this.#idleTimer = setInterval(() => {
      this.fanout.tellIdle(this.#head);
    }, config.positionSeconds * 1000);
  }

  /** Follows the log until it is stopped or fails for good. */
  start(): void {
    void this.#follow();
  }

  /** Up to here the live subscribers have been served. */
  get head(): Position {
    return this.#head;
  }

  /**
   * What comes after a position that is behind the head: from the ring, else the log, else, where
   * the log has forgotten it, the history. One read serves all who ask for it while it is under
   * way: those who replay the same from the same place do so together.
   */
  async after(position: Position): Promise<Stretch> {
    const recent = this.#ring.after(position);
    return recent ? upToLast(recent) : once(this.#reading, position, () => this.#read(position));
  }

  async #read(position: Position): Promise<Stretch> {
    const { log, store, historyOf } = this.#sources;
    const { readBytes } = this.#config;
    const { records, first, last } = await log.read(this.workspace, position, readBytes);
    if (first <= position + 1) {
      return { records, end: last };
    }
    const of = historyOf(this.workspace, this.epoch);
    // Only what the checkpoint vouches for: a later write may be there before an earlier one.
    const kept = Math.min(await store.checkpoint(of), first - 1) as Position;
    if (kept <= position) {
      return { records, end: last, lostBefore: first };
    }
    const loss = (await store.losses(of)).find(({ before }) => before > position + 1);
    if (loss && loss.after <= position) {
      return { records: [], end: (loss.before - 1) as Position, lostBefore: loss.before };
    }
    const whole = Math.min(kept, loss?.after ?? kept) as Position;
    const past = await store.scan(of, position, whole, readBytes);
    // Asked only now, as retention goes on meanwhile: what it has passed may be there in part.
    const trimmed = Math.min(await store.trimmed(of), whole) as Position;
    if (trimmed > position) {
      return { records: [], end: trimmed, lostBefore: (trimmed + 1) as Position };
    }
    // What the history has nothing of though it is so far was never to be kept.
    return { records: past, end: past.at(-1)?.position ?? whole };
  }

  /** Resolves when the head has moved, or the tail has ended. */
  moved(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  /**
   * Resolves when the head is at a position, or past it.
   *
   * @throws ServiceError when the tail can never get there.
   */
  async reach(position: Position): Promise<void> {
    while (this.#head < position) {
      if (this.#failure) {
        throw this.#failure;
      }
      await this.moved();
    }
  }

  /** Calls back once when the tail can never go on, at once if it has failed already. */
  onFailed(listener: (error: ServiceError) => void): () => void {
    if (this.#failure) {
      listener(this.#failure);
    }
    this.#failed.add(listener);
    return () => this.#failed.delete(listener);
  }

  stop(): void {
    clearInterval(this.#idleTimer);
    this.#stopping.abort();
  }

  /** Ends it for all who are served by it, also if its log goes on. */
  end(error: ServiceError): void {
    this.#fail(error);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const { log } = this.#sources;
        for await (const batch of log.follow(this.workspace, this.epoch, this.#head, signal)) {
          this.#publish(batch);
          this.#ring.push(batch.records);
        }
      } catch (error) {
        if (error instanceof ServiceError && error.code === 'workspace-not-found') {
          this.#fail(error);
          return;
        }
        if (error instanceof LogTruncated) {
          // Who comes back with a cursor is told that it is ahead.
          this.#fail(new ServiceError('unavailable', 'The log has lost events.', { cause: error }));
          return;
        }
        logger.error({ err: error, workspaceId: this.workspace }, 'a tail broke off, going on');
        await pause(RESTART_MS, signal);
      }
    }
  }

  #publish({ records, last }: Batch): void {
    // The head first: who leaves during the delivery has been served up to it.
    this.#head = last;
    const newest = records.at(-1);
    if (newest && this.fanout.size > 0) {
      this.fanout.publish(records);
      metrics.deliverySeconds.observe((Date.now() - Date.parse(newest.event.createdAt)) / 1000);
    }
    this.#wake();
  }

  #fail(error: ServiceError): void {
    this.stop();
    this.#failure = error;
    for (const listener of this.#failed) {
      listener(error);
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) {
      resolve();
    }
    this.#waiting.clear();
  }
}

/** @param records At least one. */
function upToLast(records: readonly Recorded[]): Stretch {
  return { records, end: records.at(-1)!.position };
}
