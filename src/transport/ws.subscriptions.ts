import { ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import { metrics } from '../metrics.js';
import type { Caller } from '../policy.js';
import { formatCursor } from '../queries/cursor.js';
import { EVERYTHING, parseFilter } from '../queries/filter.js';
import type { Opening } from '../queries/subscribe.js';
import type { Subscription } from '../queries/subscription.js';
import type { Service } from '../service.js';
import type { SubscribeFrame, UnsubscribeFrame } from './frames.js';
import { subscriberOn, type FrameSocket } from './framesocket.js';
import type { Session } from './session.js';

/** The subscriptions of one WebSocket, by the names that its frames give them. */
export class SocketSubscriptions {
  readonly #service: Service;
  readonly #session: Session;
  readonly #out: FrameSocket;
  /** Without a subscription while it opens. */
  readonly #byName = new Map<string, Subscription | undefined>();
  #next = 1;
  #isClosed = false;

  constructor(service: Service, session: Session, out: FrameSocket) {
    this.#service = service;
    this.#session = session;
    this.#out = out;
  }

  async subscribe({ id, filter, from = 'now', pace }: SubscribeFrame): Promise<void> {
    if (this.#isClosed) {
      // Frames may wait for their turn for longer than their connection is there.
      return;
    }
    const { config, quotas, subscriptions, reporter } = this.#service;
    const { workspace, context } = this.#session;
    quotas.take({ searchesPerSecond: 1 }, { workspace, caller: context.caller });
    if (this.#byName.size >= config.subscriptionsMax) {
      throw new ServiceError(
        'limit-exceeded',
        `A connection has at most ${String(config.subscriptionsMax)} subscriptions.`,
      );
    }
    const name = `s${String(this.#next++)}`;
    const request = {
      workspace,
      filter: filter === undefined ? EVERYTHING : parseFilter(filter),
      from,
      ...(pace !== undefined && { pace }),
    };
    // Its place is taken while it opens, so that many at once do not pass the limit.
    this.#byName.set(name, undefined);
    try {
      const subscription = await subscriptions.open(request, context, (opening) => {
        this.#out.send({ op: 'subscribed', id, subscription: name, ...told(opening) });
        return subscriberOn(this.#out, name, opening.epoch, () => {
          this.#remove(name);
        });
      });
      if (!this.#byName.has(name)) {
        subscription.close();
        return;
      }
      this.#byName.set(name, subscription);
      // While it was opened, a newer credential may have come.
      subscriptions.transfer(subscription, this.#session.context.caller);
      metrics.subscribers.inc({ transport: 'ws' });
      subscription.run().catch((error: unknown) => {
        const { code, message } = reporter.toldAs(error, context, workspace);
        this.#remove(name);
        this.#out.send({ op: 'ended', subscription: name, code, message });
      });
    } catch (error) {
      this.#byName.delete(name);
      throw error;
    }
  }

  unsubscribe({ id, subscription }: UnsubscribeFrame): void {
    if (!this.#byName.has(subscription)) {
      const message = `There is no subscription ${subscription} on this connection.`;
      throw new ServiceError('subscription-not-found', message);
    }
    this.#remove(subscription);
    this.#out.send({ op: 'unsubscribed', id, subscription });
  }

  /** Holds all of them to what the caller may read by a newer credential. */
  transfer(caller: Caller): void {
    for (const subscription of this.#byName.values()) {
      if (subscription) {
        this.#service.subscriptions.transfer(subscription, caller);
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const name of [...this.#byName.keys()]) {
      this.#remove(name);
    }
  }

  #remove(name: string): void {
    const subscription = this.#byName.get(name);
    this.#byName.delete(name);
    if (subscription) {
      subscription.close();
      metrics.subscribers.dec({ transport: 'ws' });
    }
  }
}

function told({ epoch, start }: Opening): Record<string, unknown> {
  const cursor = formatCursor(epoch, start.position);
  if (start.lost === undefined) {
    return { recovered: true, cursor };
  }
  const first = formatCursor(epoch, (start.position + 1) as Position);
  return { recovered: false, reason: start.lost, cursor, first };
}
