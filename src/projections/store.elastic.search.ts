/** One search of Elasticsearch: what it is about, and how it ends. */
import { ServiceError } from '../errors.js';
import { nameOf, type Incarnation, type JsonObject } from '../event.js';
import { isTimeout, type Cluster } from './store.elastic.client.js';
import type { QueryTime } from './store.elastic.time.js';

/** For the way of an answer that was found just in time. */
const graceMs = 1_000;

export interface Search {
  /** At least one. */
  readonly of: readonly Incarnation[];
  readonly query: JsonObject;
  /** The bounds of positions, as a range has them. */
  readonly positions: JsonObject;
  /** What is asked for of the matches: the other members of the body. */
  readonly body: JsonObject;
  readonly time: QueryTime;
  readonly signal?: AbortSignal;
}

interface Answer {
  readonly timed_out: boolean;
  readonly _shards: { readonly failed: number; readonly failures?: unknown };
  readonly error?: { readonly type: string; readonly reason: string };
}

/** What is found before the first event. */
const NOTHING = { hits: { hits: [], total: { value: 0 } } };

/** What Elasticsearch takes in one list. */
const termsMax = 65_536;

/** Whether an event is of one of these. */
export function isOf(incarnations: readonly Incarnation[]): JsonObject {
  const lists: JsonObject[] = [];
  for (let first = 0; first < incarnations.length; first += termsMax) {
    lists.push({ terms: { of: incarnations.slice(first, first + termsMax).map(nameOf) } });
  }
  return lists.length === 1 ? lists[0]! : { bool: { should: lists, minimum_should_match: 1 } };
}

/**
 * Asks for an answer of all shards, never of some; nothing when it is not found in time.
 *
 * @throws ServiceError `unavailable` when some events cannot be looked at.
 */
export async function ask<T>(
  cluster: Cluster,
  index: string,
  { of, query, positions, body, time, signal }: Search,
): Promise<T | undefined> {
  const msMax = time.msLeft;
  if (msMax === 0) {
    return undefined;
  }
  const [first, ...others] = of;
  let answer: Answer & T & { readonly status: number };
  try {
    answer = await cluster.request<Answer & T>({
      method: 'POST',
      path: [index, '_search'],
      query: {
        ...(others.length === 0 && { routing: first!.id }),
        // Refused below: here, too little time and too much to do would be told by one status.
        allow_partial_search_results: 'true',
        // No filter_path: it makes Elasticsearch look at each field of the answer, which took it up
        // to a tenth of its time for a page, and leaves out next to nothing.
      },
      body: {
        query: {
          bool: {
            filter: [isOf(of), { range: { position: positions } }, query],
          },
        },
        timeout: `${msMax}ms`,
        ...body,
      },
      // Told to ignore an index that is not there, it ignores also a month that is closed.
      expect: [404],
      msMax: msMax + graceMs,
      ...(signal && { signal }),
    });
  } catch (error) {
    if (isTimeout(error as Error)) {
      return undefined;
    }
    throw error;
  }
  if (answer.status === 404) {
    if (answer.error?.type === 'index_not_found_exception') {
      return NOTHING as T;
    }
    throw new ServiceError('unavailable', `Elasticsearch: ${answer.error?.reason ?? 404}`);
  }
  if (answer.timed_out) {
    return undefined;
  }
  if (answer._shards.failed > 0) {
    throw new ServiceError('unavailable', 'Some shards do not answer: there may be more events.', {
      cause: answer._shards.failures,
    });
  }
  return answer;
}
