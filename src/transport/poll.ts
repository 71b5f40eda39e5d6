import type { ServerResponse } from 'node:http';
import type { ServiceError } from '../errors.js';
import type { Position, Recorded } from '../event.js';
import { delivered, metrics } from '../metrics.js';
import { formatCursor } from '../queries/cursor.js';
import type { Matched } from '../queries/fanout.js';
import type { LossReason } from '../queries/from.js';
import type { SubscribeRequest } from '../queries/subscribe.js';
import type { Subscriber } from '../queries/subscription.js';
import type { Call } from './call.js';
import { jsonPage } from './framing.js';

/**
 * Long polling: a subscription that lives until there is something to answer. It answers with what
 * there is once it meets the head, else with the first that comes, else, after `waitMs`, with
 * nothing but the cursor to go on from.
 */
export async function poll(
  { service, context, draining }: Pick<Call, 'service' | 'context' | 'draining'>,
  request: SubscribeRequest,
  response: ServerResponse,
  { limit, waitMs }: { limit: number; waitMs: number },
): Promise<Buffer> {
  let collector: Collector | undefined;
  const subscription = await service.subscriptions.open(request, context, ({ epoch, start }) => {
    collector = new Collector(epoch, start.lost, limit, waitMs > 0);
    return collector;
  });
  const collected = collector as unknown as Collector;
  // Without waiting it ends at the head; the way there may be long, but not without bound.
  const longestMs = waitMs > 0 ? waitMs : service.config.waitSecondsMax * 1000;
  const timer = setTimeout(collected.finish, longestMs);
  response.once('close', collected.finish);
  if (response.destroyed) {
    collected.finish();
  }
  draining.addEventListener('abort', collected.finish, { once: true });
  metrics.subscribers.inc({ transport: 'poll' });
  try {
    await Promise.race([collected.finished, subscription.run()]);
    return collected.page(subscription.position);
  } finally {
    clearTimeout(timer);
    draining.removeEventListener('abort', collected.finish);
    subscription.close();
    metrics.subscribers.dec({ transport: 'poll' });
  }
}

class Collector implements Subscriber {
  readonly finished: Promise<void>;
  finish: () => void = () => undefined;
  readonly #epoch: string;
  readonly #limit: number;
  readonly #waits: boolean;
  readonly #records: Recorded[] = [];
  #lost: LossReason | undefined;
  #error: ServiceError | undefined;
  #caughtUp = false;
  #full = false;

  constructor(epoch: string, lost: LossReason | undefined, limit: number, waits: boolean) {
    this.#epoch = epoch;
    this.#lost = lost;
    this.#limit = limit;
    this.#waits = waits;
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  /**
   * @param served How far the subscription was served; what did not fit is left to the next poll.
   */
  page(served: Position): Buffer {
    if (this.#error) {
      throw this.#error;
    }
    const last = this.#records.at(-1);
    const position = this.#full && last ? last.position : served;
    delivered.poll += this.#records.length;
    const events = this.#records.map((record) => ({ epoch: this.#epoch, record }));
    return jsonPage(events, {
      cursor: formatCursor(this.#epoch, position),
      caughtUp: this.#caughtUp && !this.#full,
      recovered: this.#lost === undefined,
      ...(this.#lost !== undefined && { reason: this.#lost }),
    });
  }

  deliver({ records }: Matched): boolean {
    const room = this.#limit - this.#records.length;
    this.#records.push(...records.slice(0, room));
    this.#full = records.length >= room;
    if (this.#full || this.#caughtUp) {
      this.finish();
      return false;
    }
    return true;
  }

  /** Nothing more is to come once it is full: the poll is being answered. */
  ready(): Promise<void> {
    return this.#full ? new Promise(() => undefined) : Promise.resolve();
  }

  caughtUp(): void {
    this.#caughtUp = true;
    if (this.#records.length > 0 || !this.#waits) {
      this.finish();
    }
  }

  moved(): void {
    // The answer tells the position.
  }

  lost(reason: LossReason): void {
    this.#lost = reason;
  }

  ended(error?: ServiceError): void {
    this.#error = error;
    this.finish();
  }
}
