/** An aggregation as it is asked for. `docs/aggregation.md` is the guide to it. */
import { isTimeZone, type Interval } from '../interval.js';
import { groupsMax } from '../projections/limits.js';
import type { Grouping } from '../projections/store.js';
import { checkTexts, refuse } from './aggregate.field.js';
import { parseMetrics, type MetricsBody, type NamedMetric } from './aggregate.metrics.js';

/** Groups multiply with each of them. */
export const groupingsMax = 3;

/** A screenful and more, for whoever does not say. */
const rowsUnsaid = 100;

/** What is asked for, as JSON; its shape is checked by the schema in `schemas/openapi.yaml`. */
export interface AggregateBody {
  readonly groupBy?: readonly (
    string | { readonly field: string; readonly interval: string; readonly timeZone?: string }
  )[];
  readonly metrics?: MetricsBody;
  readonly having?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly orderBy?: Readonly<Record<string, 'asc' | 'desc'>>;
  readonly limit?: number;
  readonly fill?: boolean;
}

/** A number of a row: the value of a metric, or of one of its percentiles. */
export interface Term {
  readonly metric: number;
  /** Which of the percentiles. */
  readonly percent?: number;
}

export type Comparison = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte';

export interface Having {
  readonly term: Term;
  readonly comparison: Comparison;
  readonly bound: number;
}

export interface Order {
  /** The place of a grouping, or a number of the row. */
  readonly by: number | Term;
  readonly direction: 'asc' | 'desc';
}

export interface Aggregation {
  readonly groupBy: readonly Grouping[];
  readonly metrics: readonly NamedMetric[];
  readonly having: readonly Having[];
  readonly orderBy: readonly Order[];
  readonly limit: number;
  /** Whether intervals without an event are told as well. */
  readonly fill: boolean;
}

/** @throws ServiceError `invalid-request` with the path of what is wrong. */
export function parseAggregation(body: AggregateBody): Aggregation {
  const groupBy = parseGroupBy(body.groupBy ?? []);
  const metrics = parseMetrics(body.metrics ?? { count: { count: true } }, groupBy);
  const { fill = false, limit = rowsUnsaid } = body;
  if (fill && !groupBy.some(({ by }) => by === 'interval')) {
    refuse('fill', 'is for an interval, of which groupBy has none');
  }
  if (limit > groupsMax) {
    refuse('limit', `must be at most ${String(groupsMax)}`);
  }
  return {
    groupBy,
    metrics,
    having: parseHaving(body.having ?? {}, metrics),
    orderBy: parseOrderBy(body.orderBy ?? {}, groupBy, metrics),
    limit,
    fill,
  };
}

function parseGroupBy(given: NonNullable<AggregateBody['groupBy']>): Grouping[] {
  if (given.length > groupingsMax) {
    refuse('groupBy', `has ${String(given.length)} groupings; ${String(groupingsMax)} are allowed`);
  }
  const groupBy = given.map((each, index) => {
    const path = `groupBy[${String(index)}]`;
    return typeof each === 'string' ? termsOf(each, path) : intervalOf(each, path);
  });
  for (const [index, { field }] of groupBy.entries()) {
    if (groupBy.findIndex((other) => other.field === field) < index) {
      refuse(`groupBy[${String(index)}]`, `groups by ${field}, as another one does`);
    }
  }
  if (groupBy.filter(({ by }) => by === 'interval').length > 1) {
    refuse('groupBy', 'has two intervals; one is allowed');
  }
  return groupBy;
}

function termsOf(field: string, path: string): Grouping {
  checkTexts(field, path);
  return { by: 'terms', field };
}

function intervalOf(
  { field, interval, timeZone = 'UTC' }: { field: string; interval: string; timeZone?: string },
  path: string,
): Grouping {
  if (field !== 'time' && field !== 'createdAt') {
    return refuse(`${path}.field`, 'must be time or createdAt: an interval is of times');
  }
  return { by: 'interval', field, interval: parseInterval(interval, timeZone, `${path}.`) };
}

const calendar: Readonly<Record<string, 'day' | 'week' | 'month' | 'quarter' | 'year'>> = {
  '1d': 'day',
  '1w': 'week',
  '1M': 'month',
  '1q': 'quarter',
  '1y': 'year',
};
const unitsMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const lengthShape = /^([1-9]\d{0,5})([smhd])$/;

/**
 * `1d`, `1w`, `1M`, `1q` and `1y` of the calendar; other numbers of s, m, h and d as a length.
 *
 * @param path What the paths of faults begin with: `groupBy[0].`, say.
 * @throws ServiceError `invalid-request`
 */
export function parseInterval(text: string, timeZone: string, path: string): Interval {
  if (!isTimeZone(timeZone)) {
    refuse(`${path}timeZone`, 'must be a time zone, such as Europe/Berlin or UTC');
  }
  const unit = Object.hasOwn(calendar, text) ? calendar[text] : undefined;
  if (unit) {
    return { unit, timeZone };
  }
  const [, count, letter] = lengthShape.exec(text) ?? [];
  if (count === undefined || letter === undefined) {
    return refuse(
      `${path}interval`,
      'must be 1d, 1w, 1M, 1q or 1y, or a length such as 30s, 15m, 6h or 10d',
    );
  }
  if (timeZone !== 'UTC') {
    refuse(
      `${path}timeZone`,
      'is for 1d, 1w, 1M, 1q and 1y; an interval of a fixed length is counted from 1970 in UTC',
    );
  }
  return { lengthMs: Number(count) * unitsMs[letter]! };
}

const comparisons: readonly string[] = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte'];

function parseHaving(
  given: NonNullable<AggregateBody['having']>,
  metrics: readonly NamedMetric[],
): Having[] {
  return Object.entries(given).flatMap(([name, bounds]) => {
    const path = `having.${name.slice(0, 64)}`;
    const term = termNamed(name, metrics) ?? refuse(path, noTerm);
    return Object.entries(bounds).map(([comparison, bound]) => {
      if (!comparisons.includes(comparison) || typeof bound !== 'number') {
        refuse(
          `${path}.${comparison.slice(0, 64)}`,
          `must be one of ${comparisons.join(', ')}: a number`,
        );
      }
      return { term, comparison: comparison as Comparison, bound };
    });
  });
}

function parseOrderBy(
  given: NonNullable<AggregateBody['orderBy']>,
  groupBy: readonly Grouping[],
  metrics: readonly NamedMetric[],
): Order[] {
  return Object.entries(given).map(([name, direction]) => {
    const grouping = groupBy.findIndex(({ field }) => field === name);
    const path = `orderBy.${name.slice(0, 64)}`;
    const by = grouping >= 0 ? grouping : (termNamed(name, metrics) ?? refuse(path, noTerm));
    return { by, direction };
  });
}

const noTerm = 'must be a metric; of percentiles one of them, such as p.95';

/** `n`, or `p.95` of percentiles. */
function termNamed(name: string, metrics: readonly NamedMetric[]): Term | undefined {
  const [first = '', ...rest] = name.split('.');
  const metric = metrics.findIndex((each) => each.name === first);
  const found = metrics[metric]?.metric;
  if (found?.of !== 'percentiles') {
    return found && rest.length === 0 ? { metric } : undefined;
  }
  const percent = found.percents.findIndex((one) => String(one) === rest.join('.'));
  return percent >= 0 ? { metric, percent } : undefined;
}
