/** How the events of an incarnation are read: a walk through the matches of a query. */
import { ServiceError } from '../errors.js';
import { nameOf, Recorded, type Incarnation, type JsonObject, type Position } from '../event.js';
import { searchTookTooLong } from './limits.js';
import type { Cluster } from './store.elastic.client.js';

/** In one answer; with `smallBytesMax`, that is 8 MiB at most. */
export const hitsMax = 500;

/** For the way of an answer that was found just in time. */
const graceMs = 1_000;

/** Which events, in which order. */
export interface Course {
  readonly of: Incarnation;
  readonly query: JsonObject;
  readonly order: 'newest' | 'oldest';
  /** From after this position. */
  readonly after: number;
  /** Up to and with this position. */
  readonly last: number;
  /** How many are likely to be taken. */
  readonly hits: number;
  /** For all of it, in milliseconds. */
  readonly msMax: number;
}

export interface Hit {
  readonly _index: string;
  readonly _id: string;
  readonly sort: readonly [Position];
  readonly _source: { readonly bytes?: string };
}

/**
 * The records of a course, as many as are taken.
 *
 * @throws ServiceError `unavailable` when they are not found in time.
 */
export async function* walk(
  cluster: Cluster,
  index: string,
  course: Course,
): AsyncGenerator<Recorded> {
  const deadline = performance.now() + course.msMax;
  const hits = Math.min(course.hits, hitsMax);
  let { after, last } = course;
  for (;;) {
    const msMax = Math.floor(deadline - performance.now());
    const page =
      msMax > 0 && (await pageOf(cluster, index, { ...course, after, last, hits, msMax }));
    if (!page) {
      throw searchTookTooLong(course.msMax);
    }
    for (const hit of page) {
      const text = hit._source.bytes ?? (await largeOf(cluster, course.of, hit));
      if (text !== undefined) {
        yield new Recorded(positionOf(hit), Buffer.from(text));
      }
    }
    const end = page.at(-1);
    if (!end || page.length < hits) {
      return;
    }
    if (course.order === 'newest') {
      last = positionOf(end) - 1;
    } else {
      after = positionOf(end);
    }
  }
}

/** The first hits of a course; nothing when they are not found in time. */
export async function pageOf(
  cluster: Cluster,
  index: string,
  { of, query, order, after, last, hits, msMax }: Course,
): Promise<readonly Hit[] | undefined> {
  const answer = await cluster.request<{
    readonly timed_out: boolean;
    readonly _shards: { readonly failed: number };
    readonly hits?: { readonly hits: readonly Hit[] };
  }>({
    method: 'POST',
    path: [index, '_search'],
    query: {
      routing: of.id,
      // Before the first event there is no index.
      ignore_unavailable: 'true',
      // Refused below: here, too little time and too much to do would be told by one status.
      allow_partial_search_results: 'true',
      filter_path:
        'timed_out,_shards.failed,hits.hits._index,hits.hits._id,hits.hits.sort,hits.hits._source',
    },
    body: {
      query: {
        bool: {
          filter: [
            { term: { of: nameOf(of) } },
            { range: { position: { gt: after, lte: last } } },
            query,
          ],
        },
      },
      // The newest come in the order of the index itself: it stops looking when the page is full.
      sort: [{ position: order === 'newest' ? 'desc' : 'asc' }],
      size: hits,
      _source: ['bytes'],
      track_total_hits: false,
      timeout: `${msMax}ms`,
    },
    msMax: msMax + graceMs,
  });
  if (answer.timed_out) {
    return undefined;
  }
  if (answer._shards.failed > 0) {
    throw new ServiceError('unavailable', 'Some shards do not answer: there may be more events.');
  }
  return answer.hits?.hits ?? [];
}

export function positionOf({ sort: [position] }: Hit): Position {
  return position;
}

/** An event that is too large for a page; nothing when it was deleted since. */
async function largeOf(
  cluster: Cluster,
  of: Incarnation,
  { _index, _id }: Hit,
): Promise<string | undefined> {
  const { _source } = await cluster.request<{ _source?: { readonly large: string } }>({
    method: 'GET',
    path: [_index, '_doc', _id],
    query: { routing: of.id, _source: 'large' },
    expect: [404],
  });
  return _source?.large;
}
