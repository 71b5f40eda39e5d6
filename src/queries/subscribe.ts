import type { Context } from '../commands/context.js';
import type { EventLog } from '../commands/log.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import type { EventStore } from '../projections/store.js';
import type { Filter } from './filter.js';
import { resolveFrom, type From, type Start } from './from.js';
import { scoped } from './scope.js';
import { Subscription, type Subscriber } from './subscription.js';
import type { Sources, Tail, TailConfig } from './tail.js';
import { Tails } from './tails.js';

export interface SubscribeRequest {
  readonly workspace: string;
  readonly filter: Filter;
  readonly from: From;
  readonly pace?: number;
  /** End at what is the head now instead of going on live. */
  readonly toHead?: boolean;
  /** Aborts when the caller has left, who may do so before it is known where to begin. */
  readonly left?: AbortSignal;
}

/** Where a subscription stands before its first event. */
export interface Opening {
  readonly epoch: string;
  readonly start: Start;
}

/** Opens subscriptions for every transport. */
export class Subscriptions {
  readonly #workspaces: Workspaces;
  readonly #sources: Sources;
  readonly #config: TailConfig;
  readonly #tails: Tails;

  constructor(workspaces: Workspaces, log: EventLog, store: EventStore, config: TailConfig) {
    this.#workspaces = workspaces;
    const historyOf: Sources['historyOf'] = (id, epoch) => workspaces.historyOf(id, epoch);
    this.#sources = { log, store, historyOf };
    this.#config = config;
    this.#tails = new Tails(this.#sources, config);
    workspaces.onDeleted(({ id, epoch }) => {
      // Its log is kept for a while, and so would be who follows it.
      this.#tails.end(id, epoch, gone(id));
    });
  }

  /**
   * Opens a subscription: events flow once `run` is called, and `close` must be called in the end.
   *
   * @param subscriber Made from where the subscription stands, which it may have to announce first.
   * @throws ServiceError `workspace-not-found`, `forbidden` or `invalid-cursor`.
   */
  async open(
    { workspace, filter: asked, from, pace, toHead = false, left }: SubscribeRequest,
    context: Context,
    subscriber: (opening: Opening) => Subscriber,
  ): Promise<Subscription> {
    const filter = scoped(context.caller, workspace, asked);
    await this.#workspaces.obtain(workspace, context);
    const tail = await this.#tails.acquire(workspace);
    try {
      if (!this.#workspaces.get(workspace)) {
        // It was deleted while its tail was starting, which could not be ended by then.
        const error = gone(workspace);
        tail.end(error);
        throw error;
      }
      const start = await resolveFrom(from, filter, workspace, this.#sources, left);
      const { next } = await this.#sources.log.bounds(workspace);
      const options = {
        filter,
        start,
        ...(pace !== undefined && { pace }),
        ...(toHead && { until: (next - 1) as Position }),
      };
      const opening = { epoch: tail.epoch, start };
      const positionMs = this.#config.positionSeconds * 1000;
      return new Subscription(tail, options, subscriber(opening), positionMs, () => {
        this.#tails.release(tail);
      });
    } catch (error) {
      this.#tails.release(tail);
      throw error;
    }
  }

  /** What this node tails at the moment. */
  tails(): Tail[] {
    return this.#tails.running();
  }

  close(): void {
    this.#tails.close();
  }
}

function gone(workspace: string): ServiceError {
  return new ServiceError('workspace-not-found', `The workspace ${workspace} was deleted.`);
}
