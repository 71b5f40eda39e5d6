/** How the events of incarnations are read: a walk through the matches of a query. */
import { nameOf, Recorded, type Incarnation, type JsonObject, type Position } from '../event.js';
import { Slices } from '../slices.js';
import type { Cluster } from './store.elastic.client.js';
import { ask } from './store.elastic.search.js';
import type { QueryTime } from './store.elastic.time.js';
import type { Hit, SearchQuery, SortKey } from './store.js';

/** In one answer; with `smallBytesMax`, that is 8 MiB at most. */
export const hitsMax = 500;

/** Which events, in which order. */
export interface Course extends Pick<SearchQuery, 'of' | 'sort' | 'order' | 'last' | 'signal'> {
  readonly query: JsonObject;
  /** From behind this place. */
  readonly after: SortKey | undefined;
  /** How many are likely to be taken. */
  readonly hits: number;
  /** For all of it. */
  readonly time: QueryTime;
  /** Whether what was taken is an answer already when time is up. */
  readonly isEnough?: () => boolean;
  /** Whether each match tells in which version it was found. */
  readonly versions?: boolean;
}

export interface Found {
  readonly _index: string;
  readonly _id: string;
  readonly _seq_no?: number;
  readonly _primary_term?: number;
  readonly _source: {
    /** Where events of several incarnations are asked for. */
    readonly of?: string;
    readonly bytes?: string;
  };
  readonly sort: readonly [position: Position] | readonly [time: number, of: string, Position];
}

/**
 * The matches of a course, as many as are taken: in runs, for to hand over each by itself would
 * cost more than to read it.
 *
 * @throws ServiceError `unavailable` when they are not found in time.
 */
export async function* walk(
  cluster: Cluster,
  index: string,
  course: Course,
): AsyncGenerator<readonly Hit[]> {
  const hits = Math.min(course.hits, hitsMax);
  for (let { after } = course; ;) {
    const page = await pageOf(cluster, index, { ...course, after, hits });
    if (!page || !(yield* readAll(cluster, page, course))) {
      if (course.isEnough?.()) {
        return;
      }
      throw course.time.tookTooLong();
    }
    const last = page.at(-1);
    if (!last || page.length < hits) {
      return;
    }
    after = keyOf(last);
  }
}

/** The events of a page, but for those deleted since. False when time is up before its end. */
async function* readAll(
  cluster: Cluster,
  page: readonly Found[],
  { of, time, signal }: Course,
): AsyncGenerator<readonly Hit[], boolean> {
  const [only] = of.length === 1 ? of : [];
  const incarnations = new Map(of.map((each) => [nameOf(each), each]));
  const slices = new Slices();
  let run: Hit[] = [];
  for (const found of page) {
    const own = only ?? incarnations.get(found._source.of!)!;
    let text = found._source.bytes;
    if (slices.isOver || text === undefined) {
      // Who has had enough by now is spared the rest.
      yield run;
      run = [];
    }
    if (slices.isOver) {
      await slices.next();
    }
    if (text === undefined) {
      if (time.msLeft === 0) {
        return false;
      }
      text = await largeOf(cluster, own, found, signal);
    }
    if (text !== undefined) {
      run.push({ of: own, record: new Recorded(keyOf(found).position, Buffer.from(text)) });
    }
  }
  yield run;
  return true;
}

/** The first matches of a course; nothing when they are not found in time. */
export async function pageOf(
  cluster: Cluster,
  index: string,
  { of, query, sort, order, after, last, hits, time, signal, versions = false }: Course,
): Promise<readonly Found[] | undefined> {
  const byTime = sort === 'time';
  const direction = order === 'newest' ? 'desc' : 'asc';
  const answer = await ask<{ readonly hits: { readonly hits: readonly Found[] } }>(cluster, index, {
    of,
    query,
    positions: {
      ...(last !== Infinity && { lte: last }),
      ...(!byTime && after && { [order === 'newest' ? 'lt' : 'gt']: after.position }),
    },
    body: {
      // The newest come in the order of the index itself: it stops looking when the page is full.
      sort: byTime
        ? [{ time: { order: direction, missing: 0 } }, { of: direction }, { position: direction }]
        : [{ position: direction }],
      ...(byTime && after && { search_after: [after.time, after.of, after.position] }),
      size: hits,
      seq_no_primary_term: versions,
      _source: of.length === 1 ? ['bytes'] : ['of', 'bytes'],
      track_total_hits: false,
    },
    time,
    ...(signal && { signal }),
  });
  return answer?.hits.hits;
}

/** Where a match is in the order of its course. */
export function keyOf({ sort }: Found): SortKey {
  return sort.length === 1
    ? { time: 0, of: '', position: sort[0] }
    : { time: sort[0], of: sort[1], position: sort[2] };
}

/** An event that is too large for a page; nothing when it was deleted since. */
async function largeOf(
  cluster: Cluster,
  of: Incarnation,
  { _index, _id }: Found,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { _source } = await cluster.request<{ _source?: { readonly large: string } }>({
    method: 'GET',
    path: [_index, '_doc', _id],
    query: { routing: of.id, _source: 'large' },
    expect: [404],
    ...(signal && { signal }),
  });
  return _source?.large;
}
