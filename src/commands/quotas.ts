import { Counts } from '../counts.js';
import { ServiceError } from '../errors.js';
import { Gcra } from '../gcra.js';
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
  readonly name: QuotaName;
  readonly scope: QuotaScope;
  readonly max: number;
  readonly key: string;
}

/** How much is taken; 0 only looks whether there is room. */
export type Amounts = Partial<Record<Rate, number>>;

/** What a taker has to wait for. */
interface Refusal extends Bound {
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
  readonly #rates = new Gcra(() => performance.now());
  readonly #places = new Counts();

  constructor(workspaces: Pick<Workspaces, 'get'>, defaults: Quotas) {
    this.#workspaces = workspaces;
    this.#defaults = defaults;
  }

  /**
   * Takes so much now: all of it, or nothing. The last that there is room for is let through
   * however much it is, and those behind it wait for as long as that takes at the quota's rate: a
   * batch needs no quota of its own size.
   *
   * @throws ServiceError `quota-exceeded` telling when there is room again.
   */
  take(amounts: Amounts, taker: Taker): void {
    const refusal = this.#charge(amounts, taker);
    if (refusal) {
      metrics.quotaRefusals.inc({ quota: refusal.name, of: refusal.scope });
      throw exceeded(refusal, taker.workspace);
    }
  }

  /** Takes so much as soon as there is room: for what can be read as slowly as one likes. */
  async takeInTime(amounts: Amounts, taker: Taker): Promise<void> {
    let refusal = this.#charge(amounts, taker);
    while (refusal) {
      await pause(Math.ceil(refusal.waitMs));
      refusal = this.#charge(amounts, taker);
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
    const full = bounds.find(({ key, max }) => this.#places.of(key) >= max);
    if (full) {
      metrics.quotaRefusals.inc({ quota: place, of: full.scope });
      const holder = holderOf(full.scope, taker.workspace);
      throw new ServiceError(
        'limit-exceeded',
        `${holder} at most ${String(full.max)} ${UNITS[place]} at once on a node. Close some.`,
      );
    }
    for (const { key } of bounds) {
      this.#places.add(key);
    }
    let isTaken = true;
    return () => {
      if (isTaken) {
        isTaken = false;
        for (const { key } of bounds) {
          this.#places.remove(key);
        }
      }
    };
  }

  /** Everything or nothing: who is over their own quota takes nothing of the workspace's. */
  #charge(amounts: Amounts, taker: Taker): Refusal | undefined {
    const charges = (Object.entries(amounts) as [Rate, number][]).flatMap(([rate, amount]) =>
      this.#boundsOf(rate, taker)
        .filter(({ max }) => max !== Infinity)
        .map((bound) => ({ bound, amount })),
    );
    for (const { bound } of charges) {
      const waitMs = this.#rates.waitMs(bound.key, bound.max);
      if (waitMs > 0) {
        return { ...bound, waitMs };
      }
    }
    for (const { bound, amount } of charges) {
      this.#rates.take(bound.key, bound.max, amount);
    }
    return undefined;
  }

  #boundsOf(name: QuotaName, { workspace, caller }: Taker): Bound[] {
    const own = this.#ownOf(workspace);
    const bound = (scope: QuotaScope, whose: string): Bound => ({
      name,
      scope,
      max: boundOf(own, this.#defaults, scope, name),
      key: `${name} ${whose}`,
    });
    const ofWorkspace = bound('workspace', workspace);
    return caller.superadmin
      ? [ofWorkspace]
      : [bound('caller', nameOf({ workspace, caller })), ofWorkspace];
  }

  #ownOf(workspace: string): QuotasJson {
    return this.#workspaces.get(workspace)?.config.quotas ?? NOTHING_OWN;
  }
}

/**
 * What a caller is counted under: keys by themselves, whoever made them; users with all their
 * tokens together.
 */
export function nameOf({ workspace, caller: { key, userId = '' } }: Taker): string {
  return key ? `${workspace} key ${key.id}` : `${workspace} user ${userId}`;
}

function exceeded({ name, scope, max, waitMs }: Refusal, workspace: string): ServiceError {
  const seconds = Math.ceil(waitMs / MS_PER_SECOND);
  return new ServiceError(
    'quota-exceeded',
    `${holderOf(scope, workspace)} ${String(max)} ${UNITS[name]} a second on a node. ` +
      `There is room again in ${String(seconds)} s.`,
    { retryAfterSeconds: seconds },
  );
}

function holderOf(scope: QuotaScope, workspace: string): string {
  return scope === 'caller' ? 'You have' : `The workspace ${workspace} has`;
}
