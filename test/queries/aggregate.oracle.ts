import assert from 'node:assert/strict';
import type { Recorded } from '../../src/event.js';
import type { Interval } from '../../src/interval.js';
import type {
  Aggregate,
  AggregateQuery,
  ErrorBound,
  Group,
  Grouping,
  Metric,
} from '../../src/projections/store.js';
import { valuesAt } from './filter.oracle.js';

/**
 * What an aggregation is, word by word from `docs/aggregation.md`: every group is made of a list of
 * its events, and every metric of a list of its values.
 */

/** A group by labels: the day of an interval, say, in place of its first instant. */
interface Expected {
  readonly labels: readonly string[];
  readonly records: readonly Recorded[];
}

/** Sums of doubles depend on the order of adding. */
const ROUNDING = 1e-9;

/** Fails unless the answer of a store is what the events that match come to, within its bounds. */
export function assertAggregated(
  { groups, approximate }: Aggregate,
  { groupBy, metrics }: Pick<AggregateQuery, 'groupBy' | 'metrics'>,
  matching: readonly Recorded[],
): void {
  const expected = expectedGroups(groupBy, matching);
  const found = new Map(groups.map((group) => [JSON.stringify(labelsOf(group, groupBy)), group]));
  assert.equal(found.size, groups.length, 'no group twice');
  assert.deepEqual(
    [...found.keys()].toSorted(),
    expected.map(({ labels }) => JSON.stringify(labels)).toSorted(),
  );
  for (const { labels, records } of expected) {
    const { values } = found.get(JSON.stringify(labels))!;
    for (const [index, metric] of metrics.entries()) {
      const what = `${JSON.stringify(metric)} of ${JSON.stringify(labels)}`;
      assertValue(values[index]!, metric, records, approximate.get(index), what);
    }
  }
}

function expectedGroups(groupBy: readonly Grouping[], matching: readonly Recorded[]): Expected[] {
  let expected: Expected[] = [{ labels: [], records: matching }];
  for (const grouping of groupBy) {
    expected = expected.flatMap(({ labels, records }) => {
      const all = records.map((record) => [record, labelsAt(grouping, record)] as const);
      return [...new Set(all.flatMap(([, own]) => own))].map((label) => ({
        labels: [...labels, label],
        records: all.filter(([, own]) => own.includes(label)).map(([record]) => record),
      }));
    });
  }
  return expected;
}

/** A text as JSON, so that the text `null` is not taken for none. */
function labelsAt(grouping: Grouping, record: Recorded): string[] {
  if (grouping.by === 'interval') {
    return [labelOf(Date.parse(record.event[grouping.field]) || 0, grouping.interval)];
  }
  const texts = textsAt(grouping.field, record);
  return texts.length > 0 ? texts.map((text) => JSON.stringify(text)) : ['null'];
}

function textsAt(field: string, { event, position }: Recorded): string[] {
  const scalars = valuesAt(field, event, position).filter((value) => typeof value !== 'object');
  return [...new Set(scalars.map((value) => cut(String(value))))];
}

function cut(text: string): string {
  const points = [...text];
  while (points.join('').length > 256) {
    points.pop();
  }
  return points.join('');
}

/** What all instants of an interval have in common, and none outside it has. */
function labelOf(time: number, interval: Interval): string {
  if ('lengthMs' in interval) {
    return String(Math.floor(time / interval.lengthMs));
  }
  const [year, month, day] = new Intl.DateTimeFormat('en-CA', {
    timeZone: interval.timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  })
    .format(time)
    .split('-')
    .map(Number) as [number, number, number];
  switch (interval.unit) {
    case 'year':
      return String(year);
    case 'quarter':
      return `${year} ${Math.ceil(month / 3)}`;
    case 'month':
      return `${year} ${month}`;
    case 'day':
      return `${year} ${month} ${day}`;
    case 'week': {
      const date = Date.UTC(year, month - 1, day);
      return String(date - ((new Date(date).getUTCDay() + 6) % 7) * 86_400_000);
    }
  }
}

function labelsOf({ keys }: Group, groupBy: readonly Grouping[]): string[] {
  return keys.map((key, index) => {
    const grouping = groupBy[index]!;
    if (grouping.by === 'terms') {
      return JSON.stringify(key);
    }
    const label = labelOf(key as number, grouping.interval);
    const before = labelOf((key as number) - 1, grouping.interval);
    assert.notEqual(before, label, `${String(key)} is not the first instant of its interval`);
    return label;
  });
}

function numbersAt(field: string, { event, position, bytes }: Recorded): number[] {
  switch (field) {
    case 'bytes':
      return [bytes.byteLength];
    case 'time':
    case 'createdAt':
      return [Date.parse(event[field]) || 0];
    default:
      return valuesAt(field, event, position).filter((value) => typeof value === 'number');
  }
}

function assertValue(
  value: Group['values'][number],
  metric: Metric,
  records: readonly Recorded[],
  bound: ErrorBound | undefined,
  what: string,
): void {
  if (metric.of === 'count') {
    assert.equal(value, records.length, what);
    return;
  }
  if (metric.of === 'distinct') {
    const count = new Set(records.flatMap((record) => textsAt(metric.field, record))).size;
    const most = bound && 'relative' in bound ? bound.relative * count : 0;
    assert.ok(Math.abs((value as number) - count) <= most, `${what}: ${String(value)}, ${count}`);
    return;
  }
  const numbers = records
    .flatMap((record) => numbersAt(metric.field, record))
    .toSorted((a, b) => a - b);
  if (metric.of === 'percentiles') {
    const rank = bound && 'rank' in bound ? bound.rank : 0;
    assertPercentiles(value as readonly (number | null)[], metric.percents, numbers, rank, what);
    return;
  }
  const sum = numbers.reduce((before, number) => before + number, 0);
  const exact = {
    sum,
    avg: numbers.length > 0 ? sum / numbers.length : null,
    min: numbers[0] ?? null,
    max: numbers.at(-1) ?? null,
  }[metric.of];
  assertBetween(value as number | null, exact, exact, what, Math.max(...numbers.map(Math.abs), 0));
}

/** @param size Of what was added up: as large can be what is lost on the way. */
function assertBetween(
  value: number | null,
  low: number | null,
  high: number | null,
  what: string,
  size = 0,
): void {
  if (low === null || high === null || value === null) {
    assert.equal(value, low, what);
    return;
  }
  const most = ROUNDING * Math.max(Math.abs(low), Math.abs(high), size);
  assert.ok(value >= low - most && value <= high + most, `${what}: ${value}, ${low} to ${high}`);
}

function assertPercentiles(
  values: readonly (number | null)[],
  percents: readonly number[],
  sorted: readonly number[],
  rank: number,
  what: string,
): void {
  assert.equal(values.length, percents.length);
  for (const [index, percent] of percents.entries()) {
    const exact = quantile(sorted, percent / 100);
    const [low, high] = rank > 0 ? around(sorted, percent / 100, rank) : [exact, exact];
    assertBetween(values[index]!, low, high, `${what}, ${percent} %`);
  }
}

/** The values that are so much of all of them away, each with its next one. */
function around(
  sorted: readonly number[],
  share: number,
  rank: number,
): readonly [low: number | null, high: number | null] {
  const last = sorted.length - 1;
  const low = sorted[Math.max(Math.floor(last * (share - rank)), 0)];
  const high = sorted[Math.min(Math.ceil(last * (share + rank)), last)];
  return [low ?? null, high ?? null];
}

function quantile(sorted: readonly number[], share: number): number | null {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  return below === undefined || above === undefined
    ? null
    : below + (above - below) * (place - Math.floor(place));
}
