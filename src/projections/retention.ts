import type { Workspace } from '../commands/workspace.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Incarnation, type Position } from '../event.js';
import { metrics } from '../metrics.js';
import { parseFilter, type Filter } from '../queries/filter.js';
import type { Retention, RetentionPolicy } from '../retention.js';
import type { Ends } from './projection.js';
import type { EventStore, SearchQuery } from './store.js';

const FIRST = 0 as Position;

type Kept = Pick<Ends, 'log' | 'store'>;

/** How many events. */
export interface Removed {
  readonly log: number;
  readonly history: number;
}

/** What of a workspace is beyond its retention. */
export interface Expired {
  /** In the log: from the first it holds up to and without another position. */
  readonly log: { readonly first: Position; readonly before: Position };
  /** In the history: up to and with a position; `BEFORE_FIRST` where there is nothing. */
  readonly history: Position;
}

/**
 * Looks for what is beyond the retention of a workspace: nothing that was accepted within it, and
 * in the log nothing that is not in the history for good.
 *
 * @throws ServiceError `workspace-not-found` when the workspace is gone by now.
 */
export async function expiredOf(
  workspace: Workspace,
  policy: RetentionPolicy,
  ends: Kept,
): Promise<Expired> {
  return {
    log: await expiredInLog(workspace, policy.log, ends),
    history: await expiredInHistory(workspace.history, policy.history.maxAgeMs, ends.store),
  };
}

/** Removes what is beyond the retention of a workspace, step by step; tells what of each step. */
export async function* removeExpired(
  workspace: Workspace,
  policy: RetentionPolicy,
  { log, store }: Kept,
): AsyncGenerator<Removed> {
  const expired = await expiredOf(workspace, policy, { log, store });
  const { first, before } = expired.log;
  if (before > first) {
    const events = await log.trim(workspace.id, workspace.epoch, before);
    metrics.trimmed.inc({ from: 'log' }, events);
    yield { log: events, history: 0 };
  }
  if (expired.history !== BEFORE_FIRST) {
    for await (const events of store.trim(workspace.history, expired.history)) {
      metrics.trimmed.inc({ from: 'history' }, events);
      yield { log: 0, history: events };
    }
  }
}

async function expiredInLog(
  { id, epoch, histories }: Workspace,
  { maxAgeMs, maxBytes }: Retention,
  { log, store }: Kept,
): Promise<Expired['log']> {
  if (maxAgeMs === undefined && maxBytes === undefined) {
    return { first: FIRST, before: FIRST };
  }
  const bounds = await log.bounds(id);
  if (bounds.epoch !== epoch) {
    throw new ServiceError('workspace-not-found', `The workspace ${id} is another one by now.`);
  }
  const { first } = bounds;
  const inTime = maxAgeMs === undefined ? first : (await log.seek(id, ago(maxAgeMs))) + 1;
  const inSize = maxBytes === undefined ? first : await log.newest(id, maxBytes);
  const before = Math.max(inTime, inSize);
  const historized = before > first ? (await settledIn(histories.kept, store)) + 1 : first;
  return { first, before: Math.max(Math.min(before, historized), first) as Position };
}

/** Also in one that is being rebuilt: it is what there is when it has taken the other’s place. */
async function settledIn(kept: readonly Incarnation[], store: EventStore): Promise<number> {
  return Math.min(...(await Promise.all(kept.map((of) => store.settle(of)))));
}

/**
 * The last event before the first that was accepted within the retention: clocks of nodes differ,
 * so that behind that one there may still be older ones, which stay until it goes.
 */
async function expiredInHistory(
  of: Incarnation,
  maxAgeMs: number | undefined,
  store: EventStore,
): Promise<Position> {
  if (maxAgeMs === undefined) {
    return BEFORE_FIRST;
  }
  const time = new Date(ago(maxAgeMs)).toISOString();
  // First of all, as more is written while it is searched.
  const checkpoint = await store.checkpoint(of);
  const one = async (order: SearchQuery['order'], filter: Filter, last: number) => {
    const { hits } = await store.search({
      of: [of],
      filter,
      sort: 'position',
      order,
      limit: 1,
      last,
    });
    return hits[0]?.record.position;
  };
  const kept = await one('oldest', parseFilter({ createdAt: { gte: time } }), checkpoint);
  const last = kept === undefined ? checkpoint : kept - 1;
  return (await one('newest', parseFilter({ createdAt: { lt: time } }), last)) ?? BEFORE_FIRST;
}

/** In epoch milliseconds, no earlier than times begin. */
function ago(ms: number): number {
  return Math.max(Date.now() - ms, 0);
}
