import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Incarnation, type Position, type Recorded } from '../event.js';
import { pause } from '../pause.js';
import type { Caller } from '../policy.js';
import type { EventStore } from '../projections/store.js';
import { formatCursor, parseCursor } from './cursor.js';
import { parseFilter, type Filter } from './filter.js';
import { scoped } from './scope.js';

export interface SearchRequest {
  readonly workspace: string;
  readonly filter: Filter;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly next?: string;
  /** Search only when this position is searchable. */
  readonly waitFor?: string;
  readonly waitMs: number;
}

export interface SearchResult {
  readonly epoch: string;
  /** Newest first. */
  readonly records: readonly Recorded[];
  readonly next?: string;
  /** A subscription from here gives exactly what this search could not yet see. */
  readonly cursor: string;
}

/**
 * How often a node that waits looks at the checkpoint; another node may be the one that moves it.
 */
const POLL_MS = 5;
const POLL_MS_MAX = 100;

/** Searches the history of one workspace, narrowed to what the caller may read. */
export async function search(
  request: SearchRequest,
  caller: Caller,
  workspaces: Workspaces,
  store: EventStore,
): Promise<SearchResult> {
  const filter = scoped(caller, request.workspace, request.filter);
  const of = await workspaces.require(request.workspace);
  const { epoch } = of;
  const own = (text: string, at: string): Position => ownPosition(text, epoch, at);
  if (request.waitFor !== undefined) {
    const position = own(request.waitFor, 'waitFor');
    await searchable(of, position, request.waitMs, store);
  }
  // The checkpoint first: what is written behind it while the search runs is left to the cursor.
  const watermark = await store.checkpoint(of);
  const before = request.next === undefined ? watermark + 1 : own(request.next, 'next');
  const page = await store.search({
    of,
    filter,
    limit: request.limit,
    before: Math.min(before, watermark + 1) as Position,
  });
  return {
    epoch,
    records: page.records,
    cursor: formatCursor(epoch, watermark),
    ...(page.next !== undefined && { next: formatCursor(epoch, page.next) }),
  };
}

/**
 * @throws ServiceError `event-not-found` also where the caller may not read it: that would tell of
 * it.
 */
export async function eventById(
  workspace: string,
  id: string,
  caller: Caller,
  workspaces: Workspaces,
  store: EventStore,
): Promise<{ epoch: string; record: Recorded }> {
  const filter = scoped(caller, workspace, parseFilter({ id: { eq: id } }));
  const of = await workspaces.require(workspace);
  const before = ((await store.checkpoint(of)) + 1) as Position;
  const { records } = await store.search({ of, filter, limit: 1, before });
  const [record] = records;
  if (!record) {
    throw new ServiceError('event-not-found', `There is no event ${id} in the history.`);
  }
  return { epoch: of.epoch, record };
}

/**
 * Resolves when the history has everything up to a position. Who waits also waits for a store that
 * is not there for the moment, as for the first event of all, when another node has just made it.
 */
async function searchable(
  of: Incarnation,
  position: Position,
  waitMs: number,
  store: EventStore,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  let pauseMs = POLL_MS;
  for (;;) {
    const isOver = Date.now() >= deadline;
    const watermark = await store.checkpoint(of).catch((error: unknown) => {
      if (isOver || !(error instanceof ServiceError && error.code === 'unavailable')) {
        throw error;
      }
      return BEFORE_FIRST;
    });
    if (watermark >= position) {
      return;
    }
    if (isOver) {
      throw new ServiceError(
        'wait-timeout',
        `History has come to ${formatCursor(of.epoch, watermark)} only, not to waitFor. Try again.`,
        { retryAfterSeconds: 1 },
      );
    }
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, POLL_MS_MAX);
  }
}

function ownPosition(text: string, epoch: string, at: string): Position {
  const cursor = parseCursor(text, at);
  if (cursor.epoch !== epoch) {
    const message = 'is a cursor of another workspace, or of this one before it was made again';
    throw new ServiceError('invalid-cursor', `${at} ${message}.`, {
      errors: [{ path: at, message }],
    });
  }
  return cursor.position;
}
