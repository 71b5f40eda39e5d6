import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Counts } from '../counts.js';
import { ServiceError } from '../errors.js';
import { metrics } from '../metrics.js';
import { pause } from '../pause.js';
import type { Caller } from '../policy.js';
import {
  boundOf,
  type Place,
  type QuotaName,
  type Quotas,
  type QuotaScope,
  type QuotasJson,
  type Rate,
} from '../quota.js';
import type { Workspaces } from './workspaces.js';

/** Who takes, and where. */
export interface Taker {
  readonly workspace: string;
  readonly caller: Caller;
}

/** A bound that holds for a taker, and what is counted under. */
interface Bound {
  readonly scope: QuotaScope;
  readonly max: number;
  readonly key: string;
}

/** What a taker has to wait for. */
interface Refusal {
  readonly bound: Bound;
  readonly waitMs: number;
}

const NOTHING_OWN: QuotasJson = {};
const MS_PER_SECOND = 1000;

const UNITS = {
  eventsPerSecond: 'events',
  bytesPerSecond: 'bytes',
  searchesPerSecond: 'searches',
  connections: 'connections',
  subscriptions: 'subscriptions',
} as const satisfies Record<QuotaName, string>;

/**
 * What each workspace, and each caller in it, may take of this node, so that one of them leaves
 * room for the others. Of several nodes each gives as much: they do not ask one another.
 *
 * Superadmins have no quota of their own; what they do counts for the workspace.
 */
export class QuotaKeeper {
  readonly #workspaces: Pick<Workspaces, 'get'>;
  readonly #defaults: Quotas;
  /** By the own quotas of a workspace, which are another object once they are changed. */
  readonly #limiters = new WeakMap<QuotasJson, Map<string, RateLimiterMemory>>();
  readonly #places = new Counts();

  constructor(workspaces: Pick<Workspaces, 'get'>, defaults: Quotas) {
    this.#workspaces = workspaces;
    this.#defaults = defaults;
  }

  /**
   * Takes so much now. The last that there is room for is let through however much it is, and
   * those behind it wait for as long as that takes at the quota's rate: a batch needs no quota of
   * its own size.
   *
   * @param amount 0 only looks whether there is room.
   * @throws ServiceError `quota-exceeded` telling when there is room again.
   */
  async take(rate: Rate, amount: number, taker: Taker): Promise<void> {
    const refusal = await this.#charge(rate, amount, taker);
    if (refusal) {
      metrics.quotaRefusals.inc({ quota: rate, of: refusal.bound.scope });
      throw exceeded(rate, refusal, taker.workspace);
    }
  }

  /** Takes so much as soon as there is room: for what can be read as slowly as one likes. */
  async takeInTime(rate: Rate, amount: number, taker: Taker): Promise<void> {
    let refusal = await this.#charge(rate, amount, taker);
    while (refusal) {
      await pause(refusal.waitMs);
      refusal = await this.#charge(rate, amount, taker);
    }
  }

  /**
   * Takes a place until it is given back.
   *
   * @returns What gives it back, once however often it is called.
   * @throws ServiceError `limit-exceeded` when all are taken.
   */
  enter(place: Place, taker: Taker): () => void {
    const bounds = this.#boundsOf(place, taker);
    const keys = bounds.map(({ scope, key }) => `${place} ${scope} ${key}`);
    const full = bounds.find(({ max }, index) => this.#places.of(keys[index]!) >= max);
    if (full) {
      metrics.quotaRefusals.inc({ quota: place, of: full.scope });
      const holder = holderOf(full.scope, taker.workspace);
      throw new ServiceError(
        'limit-exceeded',
        `${holder} at most ${String(full.max)} ${UNITS[place]} at once on a node. Close some.`,
      );
    }
    keys.forEach((key) => {
      this.#places.add(key);
    });
    let isTaken = true;
    return () => {
      if (isTaken) {
        isTaken = false;
        keys.forEach((key) => {
          this.#places.remove(key);
        });
      }
    };
  }

  /**
   * The caller's quota first: who is over their own takes nothing of the workspace's. Up to the
   * counting itself nothing is asynchronous, so what is refused is what came later.
   */
  async #charge(rate: Rate, amount: number, taker: Taker): Promise<Refusal | undefined> {
    for (const bound of this.#boundsOf(rate, taker)) {
      if (bound.max !== Infinity) {
        const waitMs = await charged(this.#limiterOf(rate, bound, taker), bound.key, amount);
        if (waitMs > 0) {
          return { bound, waitMs };
        }
      }
    }
    return undefined;
  }

  #boundsOf(name: QuotaName, { workspace, caller }: Taker): Bound[] {
    const own = this.#ownOf(workspace);
    const max = (scope: QuotaScope): number => boundOf(own, this.#defaults, scope, name);
    const ofWorkspace: Bound = { scope: 'workspace', max: max('workspace'), key: workspace };
    if (caller.superadmin) {
      return [ofWorkspace];
    }
    const key = `${workspace} ${nameOf(caller)}`;
    return [{ scope: 'caller', max: max('caller'), key }, ofWorkspace];
  }

  #limiterOf(rate: Rate, { scope, max }: Bound, { workspace }: Taker): RateLimiterMemory {
    const own = this.#ownOf(workspace);
    const limiters = this.#limiters.get(own) ?? new Map<string, RateLimiterMemory>();
    this.#limiters.set(own, limiters);
    const name = `${rate} ${scope}`;
    const limiter = limiters.get(name) ?? new RateLimiterMemory({ points: max, duration: 1 });
    limiters.set(name, limiter);
    return limiter;
  }

  #ownOf(workspace: string): QuotasJson {
    return this.#workspaces.get(workspace)?.config.quotas ?? NOTHING_OWN;
  }
}

/** Keys count by themselves, whoever made them; users with all their tokens together. */
function nameOf({ key, userId = '' }: Caller): string {
  return key ? `key ${key.id}` : `user ${userId}`;
}

/** Counts an amount. @returns 0, or for how many milliseconds there is no room. */
async function charged(limiter: RateLimiterMemory, key: string, amount: number): Promise<number> {
  if (amount === 0) {
    const known = await limiter.get(key);
    return known && known.consumedPoints >= limiter.points ? Math.max(known.msBeforeNext, 0) : 0;
  }
  try {
    await limiter.consume(key, amount);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof RateLimiterRes)) {
      throw thrown;
    }
    const { consumedPoints, msBeforeNext } = thrown;
    if (consumedPoints - amount >= limiter.points) {
      return msBeforeNext;
    }
    // From the beginning of its second, of which so much is over.
    const elapsedSeconds = 1 - msBeforeNext / MS_PER_SECOND;
    await limiter.block(key, consumedPoints / limiter.points - elapsedSeconds);
    return 0;
  }
}

function exceeded(rate: Rate, { bound, waitMs }: Refusal, workspace: string): ServiceError {
  const seconds = Math.ceil(waitMs / MS_PER_SECOND);
  const holder = holderOf(bound.scope, workspace);
  return new ServiceError(
    'quota-exceeded',
    `${holder} ${String(bound.max)} ${UNITS[rate]} a second on a node. ` +
      `There is room again in ${String(seconds)} s.`,
    { retryAfterSeconds: seconds },
  );
}

function holderOf(scope: QuotaScope, workspace: string): string {
  return scope === 'caller' ? 'You have' : `The workspace ${workspace} has`;
}
