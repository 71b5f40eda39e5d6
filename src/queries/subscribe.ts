import type { Context } from '../commands/context.js';
import type { Keyring } from '../commands/keyring.js';
import type { QuotaKeeper } from '../commands/quotas.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import { assertCurrent, expired, revoked, type Caller } from '../policy.js';
import { callAt } from '../timer.js';
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

/** What a node knows of who may read what, and what there is to read. */
export interface Readable extends Sources {
  readonly workspaces: Workspaces;
  readonly keyring: Keyring;
  readonly quotas: QuotaKeeper;
}

/** A subscription with whom it is for: what they may read can change while it is open. */
interface Open {
  readonly subscription: Subscription;
  readonly request: SubscribeRequest;
  caller: Caller;
  /** Stops the timer of its end. */
  disarm: () => void;
}

/** Opens subscriptions for every transport, and holds them to what their callers may read. */
export class Subscriptions {
  readonly #of: Readable;
  readonly #config: TailConfig;
  readonly #tails: Tails;
  readonly #open = new Map<string, Set<Open>>();
  readonly #bySubscription = new WeakMap<Subscription, Open>();

  constructor(readable: Readable, config: TailConfig) {
    this.#of = readable;
    this.#config = config;
    this.#tails = new Tails(readable, config);
    readable.workspaces.onDeleted(({ id, epoch }) => {
      // Its log is kept for a while, and so would be who follows it.
      this.#tails.end(id, epoch, gone(id));
    });
    readable.workspaces.onConfigured(({ id }) => {
      this.#each(id, (open) => {
        this.#rescope(open);
      });
    });
    readable.keyring.onRevoked((key) => {
      this.#each(key.workspace, ({ subscription, caller }) => {
        if (caller.key === key) {
          subscription.end(revoked());
        }
      });
    });
  }

  /**
   * Opens a subscription: events flow once `run` is called, and `close` must be called in the end.
   * It ends by itself when the caller’s credential expires.
   *
   * @param subscriber Made from where the subscription stands, which it may have to announce first.
   * @throws ServiceError `workspace-not-found`, `forbidden`, `unauthorized`, `limit-exceeded` or
   *   `invalid-cursor`.
   */
  async open(
    request: SubscribeRequest,
    context: Context,
    subscriber: (opening: Opening) => Subscriber,
  ): Promise<Subscription> {
    const { workspace, from, pace, toHead = false } = request;
    const { caller } = context;
    this.#scopeOf(request, caller);
    await this.#of.workspaces.obtain(workspace, context);
    const leave = this.#of.quotas.enter('subscriptions', { workspace, caller });
    const tail = await this.#tails.acquire(workspace).catch((error: unknown) => {
      leave();
      throw error;
    });
    const release = (): void => {
      leave();
      this.#tails.release(tail);
    };
    try {
      if (!this.#of.workspaces.get(workspace)) {
        // It was deleted while its tail was starting, which could not be ended by then.
        const error = gone(workspace);
        tail.end(error);
        throw error;
      }
      const scope = this.#scopeOf(request, caller);
      const start = await resolveFrom(from, scope, workspace, this.#of, request.left);
      const { next } = await this.#of.log.bounds(workspace);
      const options = {
        // What the caller may read can have changed meanwhile; from here on, it is told of changes.
        filter: this.#scopeOf(request, caller),
        start,
        ...(pace !== undefined && { pace }),
        ...(toHead && { until: (next - 1) as Position }),
      };
      const opening = { epoch: tail.epoch, start };
      const positionMs = this.#config.positionSeconds * 1000;
      // Its tail may have failed by now, and it ends at once.
      const held: { open?: Open } = {};
      const released = (): void => {
        this.#forget(held.open);
        release();
      };
      const reader = subscriber(opening);
      const subscription = new Subscription(tail, options, reader, positionMs, released);
      if (!subscription.isClosed()) {
        held.open = { subscription, request, caller, disarm: () => undefined };
        this.#hold(held.open);
      }
      return subscription;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Holds a subscription to what the same caller may read by a newer credential. */
  transfer(subscription: Subscription, caller: Caller): void {
    const open = this.#bySubscription.get(subscription);
    if (open) {
      open.caller = caller;
      this.#arm(open);
      this.#rescope(open);
    }
  }

  /** What this node tails at the moment. */
  tails(): Tail[] {
    return this.#tails.running();
  }

  close(): void {
    this.#tails.close();
  }

  /** @throws ServiceError where the caller may read nothing, or is no longer known. */
  #scopeOf({ workspace, filter }: SubscribeRequest, caller: Caller): Filter {
    assertCurrent(caller);
    return scoped(caller, workspace, filter, this.#of.workspaces.get(workspace)?.grants);
  }

  #rescope(open: Open): void {
    try {
      open.subscription.rescope(this.#scopeOf(open.request, open.caller));
    } catch (error) {
      open.subscription.end(error as ServiceError);
    }
  }

  #hold(open: Open): void {
    const { workspace } = open.request;
    this.#open.set(workspace, (this.#open.get(workspace) ?? new Set()).add(open));
    this.#bySubscription.set(open.subscription, open);
    this.#arm(open);
  }

  #arm(open: Open): void {
    open.disarm();
    const { expiresAt } = open.caller;
    if (expiresAt !== undefined) {
      open.disarm = callAt(expiresAt, () => {
        open.subscription.end(expired());
      });
    }
  }

  #forget(open: Open | undefined): void {
    if (open) {
      open.disarm();
      const others = this.#open.get(open.request.workspace);
      others?.delete(open);
      if (others?.size === 0) {
        this.#open.delete(open.request.workspace);
      }
    }
  }

  #each(workspace: string, tell: (open: Open) => void): void {
    for (const open of [...(this.#open.get(workspace) ?? [])]) {
      tell(open);
    }
  }
}

function gone(workspace: string): ServiceError {
  return new ServiceError('workspace-not-found', `The workspace ${workspace} was deleted.`);
}
