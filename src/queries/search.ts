import { ServiceError } from '../errors.js';
import { nameOf, type Incarnation, type Position, type Recorded } from '../event.js';
import { instant } from '../instant.js';
import { assertSuperadmin, isReserved, type Caller } from '../policy.js';
import type { Hit, Page, SearchQuery, Selection, SortKey } from '../projections/store.js';
import { formatCursor } from './cursor.js';
import { parseFilter, type Filter } from './filter.js';
import { formatKeyset, parseKeyset, type Keyset } from './keyset.js';
import { scoped } from './scope.js';
import { watermarkOf, type History, type Wait } from './watermark.js';

export interface PageRequest {
  readonly filter: Filter;
  readonly sort?: SearchQuery['sort'];
  readonly order?: SearchQuery['order'];
  readonly limit: number;
  /** The `next` of the page before. */
  readonly next?: string;
  /** The `previous` of the page behind. */
  readonly previous?: string;
  /** Tell how many events match, on all pages together. */
  readonly count?: boolean;
  /** Aborts when the caller has left. */
  readonly left?: AbortSignal;
}

export interface SearchRequest extends PageRequest, Wait {
  readonly workspace: string;
}

/** An event with the epoch of its workspace, for its cursor. */
export interface Positioned {
  readonly epoch: string;
  readonly record: Recorded;
}

export interface Found {
  /** In the order that was asked for. */
  readonly events: readonly Positioned[];
  readonly next?: string;
  readonly previous?: string;
  readonly total?: number;
}

export interface SearchResult extends Found {
  /**
   * A subscription from here gives exactly what this search could not yet see; the same on all its
   * pages.
   */
  readonly cursor: string;
  /** How many events the history is behind the log, if that is known. */
  readonly lag: number | undefined;
}

/** In place of an epoch, in the keysets of a search across workspaces. */
const ACROSS = '';

/** Searches the history of one workspace, narrowed to what the caller may read. */
export async function search(
  request: SearchRequest,
  caller: Caller,
  history: History,
): Promise<SearchResult> {
  const grants = history.workspaces.get(request.workspace)?.grants;
  const filter = scoped(caller, request.workspace, request.filter, grants);
  const workspace = await history.workspaces.require(request.workspace);
  const keyset = keysetOf(request, workspace.epoch);
  // The watermark first: what is written behind it while the search runs is left to the cursor.
  const watermark = await watermarkOf(workspace, request, history);
  const last = keyset?.last ?? watermark.position;
  const place = { epoch: workspace.epoch, payer: workspace.id, of: [watermark.of] };
  const found = await pageOf(request, place, { filter, last, keyset }, history);
  const cursor = formatCursor(workspace.epoch, last as Position);
  return { ...found, cursor, lag: await watermark.lag() };
}

/** Searches all workspaces, by time: positions of different logs say nothing of each other. */
export async function searchAcross(
  request: PageRequest,
  caller: Caller,
  history: History,
): Promise<Found> {
  assertSuperadmin(caller);
  const keyset = keysetOf(request, ACROSS);
  const { filter } = request;
  const workspaces = history.workspaces.list().filter(({ id }) => !isReserved(id));
  if (workspaces.length === 0) {
    return { events: [] };
  }
  const of = workspaces.map((workspace) => workspace.history);
  const place = { epoch: ACROSS, payer: 'all workspaces', of };
  return pageOf({ ...request, sort: 'time' }, place, { filter, last: Infinity, keyset }, history);
}

/**
 * @throws ServiceError `event-not-found` also where the caller may not read it: that would tell of
 * it.
 */
export async function eventById(
  id: string,
  name: string,
  caller: Caller,
  { workspaces, store }: Pick<History, 'workspaces' | 'store'>,
): Promise<Positioned> {
  const grants = workspaces.get(name)?.grants;
  const filter = scoped(caller, name, parseFilter({ id: { eq: id } }), grants);
  const { history, epoch } = await workspaces.require(name);
  const { hits } = await store.search({
    of: [history],
    filter,
    sort: 'position',
    order: 'newest',
    limit: 1,
    last: await store.checkpoint(history),
  });
  const [hit] = hits;
  if (!hit) {
    throw new ServiceError('event-not-found', `There is no event ${id} in the history.`);
  }
  return { epoch, record: hit.record };
}

/** Where a search takes place. */
interface Place {
  /** That of its keysets. */
  readonly epoch: string;
  /** Whose budget of heavy queries a count takes from. */
  readonly payer: string;
  readonly of: readonly Incarnation[];
}

/**
 * The page that a request asks for. A page before is one of the contrary order, turned over: so
 * paging back is as exact, and as cheap, as paging on.
 */
async function pageOf(
  request: PageRequest,
  { epoch, payer, of }: Place,
  { filter, last, keyset }: { filter: Filter; last: number; keyset: Keyset | undefined },
  { store, heavyQueries }: History,
): Promise<Found> {
  const { limit, count = false, left } = request;
  const { sort, order, back } = keyset ?? {
    sort: request.sort ?? 'position',
    order: request.order ?? 'newest',
    back: false,
  };
  const selection = {
    of,
    filter,
    last,
    ...(left && { signal: left }),
  };
  const page = await store.search({
    ...selection,
    sort,
    order: back ? contrary(order) : order,
    limit,
    ...(keyset && { after: placed(keyset.key, selection) }),
  });
  const hits = back ? page.hits.toReversed() : page.hits;
  const total = count ? await heavyQueries.run(payer, () => countOf(selection, store)) : undefined;
  const to = (hit: Hit, isBack: boolean): string =>
    formatKeyset({ sort, order, back: isBack, epoch, last, key: keyOf(hit, sort) });
  const [first, end] = [hits[0], hits.at(-1)];
  const { hasNext, hasPrevious } = around(page, keyset);
  return {
    events: hits.map((hit) => ({ epoch: hit.of.epoch, record: hit.record })),
    ...(hasNext && end && { next: to(end, false) }),
    ...(hasPrevious && first && { previous: to(first, true) }),
    ...(total !== undefined && { total }),
  };
}

/** Where one came from there is a page; where one goes to, if the store says so. */
function around(
  { more }: Page,
  keyset: Keyset | undefined,
): { hasNext: boolean; hasPrevious: boolean } {
  return keyset?.back === true
    ? { hasNext: true, hasPrevious: more }
    : { hasNext: more, hasPrevious: keyset !== undefined };
}

async function countOf(
  selection: Selection & { signal?: AbortSignal },
  store: History['store'],
): Promise<number> {
  const count = { groupBy: [], metrics: [{ of: 'count' } as const] };
  const { groups } = await store.aggregate({ ...selection, ...count });
  return groups[0]!.values[0] as number;
}

/** @throws ServiceError `invalid-cursor` for a place in another workspace, or in another order. */
function keysetOf(request: PageRequest, epoch: string): Keyset | undefined {
  const { next, previous, sort, order } = request;
  if (next !== undefined && previous !== undefined) {
    const message = 'is the other way than next: send one of them';
    throw new ServiceError('invalid-request', `previous ${message}.`, {
      errors: [{ path: 'previous', message }],
    });
  }
  const at = next === undefined ? 'previous' : 'next';
  const text = next ?? previous;
  if (text === undefined) {
    return undefined;
  }
  const keyset = parseKeyset(text, at);
  const faults = [
    keyset.epoch !== epoch && 'is of another workspace, or of this one before it was made again',
    keyset.back !== (at === 'previous') && 'goes the other way',
    sort !== undefined && sort !== keyset.sort && `is of a search sorted by ${keyset.sort}`,
    order !== undefined && order !== keyset.order && `is of a search for the ${keyset.order} first`,
  ];
  const message = faults.find((fault) => fault !== false);
  if (message !== undefined) {
    throw new ServiceError('invalid-cursor', `${at} ${message}.`, {
      errors: [{ path: at, message }],
    });
  }
  return keyset;
}

function keyOf({ of, record }: Hit, sort: SearchQuery['sort']): SortKey {
  // As the stores do, which leave no event out for want of a time.
  const time = sort === 'time' ? instant(record.event.time) || 0 : 0;
  return { time, of: lastingName(of), position: record.position };
}

/** A key as the stores have it now: its history may have been rebuilt since the page before. */
function placed(key: SortKey, { of }: Selection): SortKey {
  const now = of.find((each) => lastingName(each) === key.of);
  return now ? { ...key, of: nameOf(now) } : key;
}

/** The same in every generation, and in the same order among those of other workspaces. */
function lastingName(of: Incarnation): string {
  return nameOf({ ...of, generation: 0 });
}

function contrary(order: SearchQuery['order']): SearchQuery['order'] {
  return order === 'newest' ? 'oldest' : 'newest';
}
