/** The groups of an aggregation as Elasticsearch puts them together. */
import type { JsonObject } from '../event.js';
import { zoneId, type Interval } from '../interval.js';
import { groupsMax, groupTextMax, tooCostly, tooManyGroups } from './limits.js';
import { failsBy, type Cluster } from './store.elastic.client.js';
import type { Bucket, Reckoning } from './store.elastic.metrics.js';
import { ask, type Search } from './store.elastic.search.js';
import type { Aggregate, AggregateQuery, ErrorBound, Group, Grouping } from './store.js';

type Key = Group['keys'][number];

/** No text of a group is as long: the key of the events that have none. */
const NONE = '-'.repeat(groupTextMax + 1);

export interface Reckoned extends Pick<AggregateQuery, 'groupBy'> {
  readonly reckonings: readonly Reckoning[];
  /** What it is about. */
  readonly matches: Omit<Search, 'body'>;
}

/** @throws ServiceError `query-too-costly` past `groupsMax` groups, `unavailable` out of time. */
export async function reckon(
  cluster: Cluster,
  index: string,
  { groupBy, reckonings, matches }: Reckoned,
): Promise<Aggregate> {
  const metrics = Object.assign({}, ...reckonings.map(({ aggs }) => aggs)) as JsonObject;
  const aggs = groupBy.reduceRight<JsonObject>(
    (inner, grouping) => ({ groups: { ...groupedBy(grouping), aggs: inner } }),
    metrics,
  );
  const answer = await ask<Answer>(cluster, index, {
    ...matches,
    body: { size: 0, track_total_hits: groupBy.length === 0, aggs },
  }).catch((error: unknown) => {
    throw refusal(error as Error);
  });
  if (!answer) {
    throw matches.time.tookTooLong();
  }
  const top = { doc_count: answer.hits?.total?.value ?? 0, ...answer.aggregations };
  const groups: Group[] = [];
  for (const { keys, bucket } of bucketsOf(top, groupBy, [])) {
    if (groups.length === groupsMax) {
      throw tooManyGroups();
    }
    groups.push({ keys, values: reckonings.map(({ valueOf }) => valueOf(bucket)) });
  }
  const bounds = reckonings.flatMap(({ bound }, at): [number, ErrorBound][] =>
    bound ? [[at, bound]] : [],
  );
  return { groups, approximate: new Map(bounds) };
}

/** What is too much for Elasticsearch would also be too much if it was asked for again. */
function refusal(error: Error): Error {
  if (failsBy(error, 'too_many_buckets_exception')) {
    return tooManyGroups();
  }
  return failsBy(error, 'circuit_breaking_exception')
    ? tooCostly('groups and values that take more memory than Elasticsearch has left')
    : error;
}

interface Answer {
  readonly hits?: { readonly total?: { readonly value: number } };
  readonly aggregations?: Omit<Bucket, 'doc_count'>;
}

function groupedBy(grouping: Grouping): JsonObject {
  if (grouping.by === 'interval') {
    return {
      date_histogram: {
        field: grouping.field,
        ...lengthOf(grouping.interval),
        min_doc_count: 1,
        missing: 0,
      },
    };
  }
  return {
    terms: {
      field: `values.${grouping.field}`,
      // One more than there may be. All of a workspace and month are in one shard, which answers
      // half as many again: so none is missing, and none is counted in part.
      size: groupsMax + 1,
      missing: NONE,
      // Else it would number the texts at all paths of all workspaces first, after each refresh.
      execution_hint: 'map',
    },
  };
}

function lengthOf(interval: Interval): JsonObject {
  return 'unit' in interval
    ? { calendar_interval: interval.unit, time_zone: zoneId(interval.timeZone) }
    : { fixed_interval: `${interval.lengthMs}ms` };
}

interface Grouped {
  readonly keys: readonly Key[];
  readonly bucket: Bucket;
}

/** The buckets below all groupings. */
function* bucketsOf(
  bucket: Bucket,
  [grouping, ...inner]: readonly Grouping[],
  keys: readonly Key[],
): Generator<Grouped> {
  if (!grouping) {
    yield { keys, bucket };
    return;
  }
  const { buckets = [], sum_other_doc_count = 0 } = bucket.groups ?? {};
  if (sum_other_doc_count > 0) {
    throw tooManyGroups();
  }
  for (const each of buckets) {
    yield* bucketsOf(each, inner, [...keys, each.key === NONE ? null : each.key!]);
  }
}
