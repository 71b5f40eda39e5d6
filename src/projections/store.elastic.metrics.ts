/** Metrics as Elasticsearch works them out: what to ask for, and what the answer comes to. */
import type { Incarnation, JsonObject } from '../event.js';
import { columnName, type ColumnLists } from './store.elastic.columns.js';
import { isOf } from './store.elastic.search.js';
import { isNameOfValues } from './store.elastic.values.js';
import type { ErrorBound, Group, Metric } from './store.js';

type Value = Group['values'][number];

/** A group as it comes back, or all that matches. */
export interface Bucket {
  readonly key?: string | number;
  readonly doc_count: number;
  readonly groups?: {
    readonly buckets: readonly Bucket[];
    readonly sum_other_doc_count?: number;
  };
  /** What was asked for of the group, by name. */
  readonly [aggregation: string]: unknown;
}

export interface Reckoning {
  /** By names that no other metric has. */
  readonly aggs: JsonObject;
  readonly valueOf: (bucket: Bucket) => Value;
  readonly bound?: ErrorBound;
}

/** Numbers of a field of the documents, or of those of some incarnations alone. */
interface Source {
  readonly field: JsonObject;
  readonly of?: readonly Incarnation[];
}

interface Stats {
  readonly count: number;
  readonly sum: number | string;
  readonly min: number | null;
  readonly max: number | null;
}

interface Percentiles {
  readonly values: readonly { readonly key: number; readonly value: number | null }[];
}

/**
 * How to work out a metric; `undefined` where Elasticsearch cannot.
 *
 * @param name No other metric of the query has it.
 * @param isGrouped Whether it is worked out for each of many groups.
 * @throws ServiceError `query-too-costly` where some numbers have no column.
 */
export async function reckoningOf(
  metric: Metric,
  name: string,
  isGrouped: boolean,
  of: readonly Incarnation[],
  columns: ColumnLists,
): Promise<Reckoning | undefined> {
  switch (metric.of) {
    case 'count':
      return { aggs: {}, valueOf: ({ doc_count }) => doc_count };
    case 'distinct':
      return isNameOfValues(metric.field) ? distinct(metric.field, name, isGrouped) : undefined;
    case 'percentiles': {
      const [source, ...others] = await sourcesOf(metric.field, of, columns);
      return others.length === 0 ? percentiles(source, metric.percents, name) : undefined;
    }
    default:
      return statistic(metric.of, await sourcesOf(metric.field, of, columns), name);
  }
}

/**
 * How many texts are told apart before their number is estimated, and how far off the estimate is:
 * five times the standard error of HyperLogLog, 1.04 / √registers (P. Flajolet et al., 2007). For
 * a threshold of 40,000 Elasticsearch has 2^18 registers, for 3,000 it has 2^14, of a byte each:
 * 160 MB for as many groups as there may be.
 */
const distinctOfAll = { threshold: 40_000, relative: 0.01 };
const distinctOfGroups = { threshold: 3_000, relative: 0.04 };

function distinct(field: string, name: string, isGrouped: boolean): Reckoning {
  const { threshold, relative } = isGrouped ? distinctOfGroups : distinctOfAll;
  return {
    aggs: {
      [name]: {
        cardinality: {
          field: `values.${field}`,
          precision_threshold: threshold,
          // As with groups: no numbering of all texts.
          execution_hint: 'direct',
        },
      },
    },
    valueOf: (bucket) => (bucket[name] as { value: number } | undefined)?.value ?? 0,
    bound: { relative },
  };
}

/**
 * Elasticsearch sorts up to 20 times as many values, and puts more of them together to about as
 * many centroids, by the scale function k2 of T. Dunning and O. Ertl, Computing extremely accurate
 * quantiles using t-digests, 2019: of 10^9 values none has more than 2 %. A value is off by half of
 * one at most, and that near the median.
 */
const compression = 1_000;
const rank = 0.01;

function percentiles(
  source: Source | undefined,
  percents: readonly number[],
  name: string,
): Reckoning {
  const asked = { percents: [...percents], keyed: false, tdigest: { compression } };
  return {
    aggs: source ? { [name]: ofSource(source, 'percentiles', asked) } : {},
    // They come back sorted.
    valueOf: (bucket) => {
      const values = (answerOf(bucket[name]) as Percentiles | undefined)?.values ?? [];
      return percents.map((percent) => values.find(({ key }) => key === percent)?.value ?? null);
    },
    bound: { rank },
  };
}

function statistic(
  what: 'sum' | 'avg' | 'min' | 'max',
  sources: readonly Source[],
  name: string,
): Reckoning {
  const aggs = sources.map((source, at) => [`${name}.${at}`, ofSource(source, 'stats')] as const);
  return {
    aggs: Object.fromEntries(aggs),
    valueOf: (bucket) => {
      const all = aggs.map(([each]) => answerOf(bucket[each]) as Stats | undefined);
      return valueOf(
        what,
        all.filter((stats) => stats !== undefined && stats.count > 0) as Stats[],
      );
    },
  };
}

/** What is computed of the numbers of a source, and of no others in its column. */
function ofSource({ field, of }: Source, what: string, more: JsonObject = {}): JsonObject {
  const aggregation = { [what]: { ...field, ...more } };
  return of ? { filter: isOf(of), aggs: { own: aggregation } } : aggregation;
}

function answerOf(answer: unknown): unknown {
  return typeof answer === 'object' && answer !== null && 'own' in answer ? answer.own : answer;
}

function valueOf(what: 'sum' | 'avg' | 'min' | 'max', all: readonly Stats[]): number | null {
  // Beyond the range of a double it comes as a text.
  const sum = all.reduce((before, stats) => before + Number(stats.sum), 0);
  if (what === 'sum') {
    return sum;
  }
  if (all.length === 0) {
    return null;
  }
  switch (what) {
    case 'avg':
      return sum / all.reduce((before, { count }) => before + count, 0);
    case 'min':
      return Math.min(...all.map(({ min }) => min!));
    case 'max':
      return Math.max(...all.map(({ max }) => max!));
  }
}

/** Where the numbers at a field stand. */
async function sourcesOf(
  field: string,
  of: readonly Incarnation[],
  columns: ColumnLists,
): Promise<Source[]> {
  switch (field) {
    case 'bytes':
      return [{ field: { field: 'size' } }];
    case 'time':
    case 'createdAt':
      return [{ field: { field, missing: 0 } }];
  }
  const places = await columns.find(of, field);
  return [...places].map(([place, own]) => ({
    field: { field: `numbers.${columnName(place)}` },
    ...(own.length < of.length && { of: own }),
  }));
}
