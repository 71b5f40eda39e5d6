import type { ServiceError } from '../errors.js';
import type { Position, Recorded } from '../event.js';
import { metrics } from '../metrics.js';
import { Matched, type Member } from './fanout.js';
import type { Filter } from './filter.js';
import { compile } from './filter.predicate.js';
import type { LossReason, Start } from './from.js';
import { Pacer } from './pace.js';
import type { Tail } from './tail.js';

/** The end of a subscription that a transport holds. Nothing here may throw. */
export interface Subscriber {
  /** Takes events, in order. False when it can take no more until `ready` resolves. */
  deliver(matched: Matched): boolean;
  /** Resolves when it can take more, or never will. */
  ready(): Promise<void>;
  /** Told once: everything up to here was delivered, what comes now is live. */
  caughtUp(position: Position): void;
  /** Nothing matched for a while; this is how far it has been served. */
  moved(position: Position): void;
  /** What came before `first` is no longer to be had. */
  lost(reason: LossReason, first: Position): void;
  /** Over: everything asked for was delivered, or, with an error, it cannot go on. */
  ended(error?: ServiceError): void;
}

export interface SubscriptionOptions {
  readonly filter: Filter;
  readonly start: Start;
  /** Replay in the original rhythm, so many times as fast. */
  readonly pace?: number;
  /** End after this position instead of going on live. */
  readonly until?: Position;
}

/**
 * A cursor that pulls: it reads from where it stands until it meets the head of its tail, then it
 * is served with the others there, and when its reader is slow it falls back to reading.
 */
export class Subscription implements Member {
  readonly #tail: Tail;
  readonly #options: SubscriptionOptions;
  readonly #subscriber: Subscriber;
  /** What it is asked for, within what its caller may read. */
  #filter: Filter;
  #matches: (record: Recorded) => boolean;
  readonly #closing = new AbortController();
  #unlisten: () => void = () => undefined;
  readonly #positionMs: number;
  readonly #released: () => void;
  #position: Position;
  #told = Date.now();
  #wasCaughtUp = false;
  /** Set while it is served live; called when that ends. */
  #leave: (() => void) | undefined;

  constructor(
    tail: Tail,
    options: SubscriptionOptions,
    subscriber: Subscriber,
    positionMs: number,
    released: () => void,
  ) {
    this.#tail = tail;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#filter = options.filter;
    this.#matches = compile(options.filter);
    this.#positionMs = positionMs;
    this.#released = released;
    this.#position = options.start.position;
    this.#unlisten = tail.onFailed((error) => {
      this.#end(error);
    });
  }

  /** Everything up to here was delivered, or did not match. */
  get position(): Position {
    return this.#leave ? this.#tail.head : this.#position;
  }

  /**
   * Delivers until it is closed, has delivered all that was asked for, or its tail has failed.
   *
   * @throws Whatever reading the log or the history throws; the caller closes it then.
   */
  async run(): Promise<void> {
    try {
      await this.#pull();
    } catch (error) {
      // Closing breaks a pause off, and what fails afterwards is nobody's concern.
      if (!this.isClosed()) {
        throw error;
      }
    }
  }

  async #pull(): Promise<void> {
    const { until, pace } = this.#options;
    const { signal } = this.#closing;
    const pacer = pace === undefined ? undefined : new Pacer(pace, signal);
    while (!this.isClosed()) {
      await this.#subscriber.ready();
      if (this.isClosed()) {
        return;
      }
      if (until !== undefined && this.#position >= until) {
        this.#end();
      } else if (this.#position < this.#tail.head) {
        await this.#advance(pacer);
      } else if (this.#position > this.#tail.head || until !== undefined) {
        // The cursor, or the end, comes from where more of the log was seen than here so far.
        await this.#tail.moved();
      } else {
        // No await since the head was looked at, so no event comes between this and the joining.
        await this.#live();
      }
    }
  }

  /**
   * Goes on from where it stands with another filter: nothing is awaited between the two, so each
   * event is judged by one of them, and none is given twice or passed over.
   */
  rescope(filter: Filter): void {
    if (this.isClosed() || filter.key === this.#filter.key) {
      return;
    }
    if (this.#leave) {
      this.#tail.fanout.leave(this.#filter, this);
      this.#tail.fanout.join(filter, this);
    }
    this.#filter = filter;
    this.#matches = compile(filter);
  }

  /** Ends it from without, and tells the reader why. */
  end(error: ServiceError): void {
    if (!this.isClosed()) {
      this.#end(error);
    }
  }

  close(): void {
    if (this.isClosed()) {
      return;
    }
    this.#position = this.position;
    this.#closing.abort();
    this.#unlisten();
    this.#tail.fanout.leave(this.#filter, this);
    this.#leave?.();
    this.#leave = undefined;
    this.#released();
  }

  isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** As a member of the live ones. */
  deliver(matched: Matched): boolean {
    const ready = this.#subscriber.deliver(matched);
    if (!ready && this.#leave) {
      metrics.slowSubscribers.inc();
      this.#position = this.#tail.head;
      this.#leave();
      this.#leave = undefined;
    }
    return ready;
  }

  moved(position: Position): void {
    this.#subscriber.moved(position);
  }

  /** Takes the next stretch before the head. */
  async #advance(pacer: Pacer | undefined): Promise<void> {
    const { records, end, lostBefore } = await this.#tail.after(this.#position);
    if (this.isClosed()) {
      return;
    }
    if (lostBefore !== undefined) {
      this.#subscriber.lost('expired', lostBefore);
    }
    const { until = Infinity } = this.#options;
    const within = records.filter((record) => record.position <= until);
    if (pacer) {
      await this.#replay(within, pacer);
      if (!this.isClosed()) {
        this.#position = end;
      }
      return;
    }
    const wanted = within.filter((record) => this.#matches(record));
    if (wanted.length > 0) {
      this.#told = Date.now();
      this.#subscriber.deliver(new Matched(wanted));
    } else if (Date.now() - this.#told > this.#positionMs) {
      this.#told = Date.now();
      this.#subscriber.moved(this.#position);
    }
    if (!this.isClosed()) {
      this.#position = end;
    }
  }

  async #replay(records: readonly Recorded[], pacer: Pacer): Promise<void> {
    for (const record of records) {
      if (this.#matches(record)) {
        await pacer.due(record.event);
        await this.#subscriber.ready();
        if (this.isClosed()) {
          return;
        }
        // While it waited, its caller may have lost the right to read it.
        if (this.#matches(record)) {
          this.#subscriber.deliver(new Matched([record]));
        }
      }
      this.#position = record.position;
    }
  }

  #live(): Promise<void> {
    if (!this.#wasCaughtUp) {
      this.#wasCaughtUp = true;
      this.#subscriber.caughtUp(this.#position);
    }
    if (this.isClosed()) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#leave = resolve;
      this.#tail.fanout.join(this.#filter, this);
    });
  }

  #end(error?: ServiceError): void {
    this.close();
    this.#subscriber.ended(error);
  }
}
