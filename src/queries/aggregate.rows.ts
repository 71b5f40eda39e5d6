/** From the groups of a store to the rows of an answer: which, in which order, and how told. */
import type { Json } from '../event.js';
import { nextStart, startOf } from '../interval.js';
import { groupsMax, tooManyGroups } from '../projections/limits.js';
import type { Group, Grouping } from '../projections/store.js';
import { isTime } from './aggregate.field.js';
import type { NamedMetric } from './aggregate.metrics.js';
import type { Aggregation, Having, Term } from './aggregate.parse.js';
import type { Filter } from './filter.js';

/** `{"group": {…}, "<metric>": …}` */
export type Row = Record<string, Json>;

/** The groups that are asked for, in the order that is asked for, as they go over the wire. */
export function rowsOf(
  groups: readonly Group[],
  asked: Aggregation,
  filter: Filter,
): { rows: Row[]; more: boolean } {
  const { having, limit, groupBy, metrics } = asked;
  const all = asked.fill ? filled(groups, asked, filter) : groups;
  const chosen = all
    .filter((group) => having.every((condition) => holds(condition, group)))
    .toSorted(comparison(asked));
  return {
    rows: chosen.slice(0, limit).map((group) => rowOf(group, groupBy, metrics)),
    more: chosen.length > limit,
  };
}

function numberOf({ values }: Group, { metric, percent }: Term): number | null {
  const value = values[metric] ?? null;
  return typeof value === 'object' && value !== null ? (value[percent ?? 0] ?? null) : value;
}

/** Null is neither more nor less than a number, nor the same, nor another one. */
function holds({ term, comparison, bound }: Having, group: Group): boolean {
  const number = numberOf(group, term);
  if (number === null) {
    return false;
  }
  return {
    eq: number === bound,
    ne: number !== bound,
    gt: number > bound,
    gte: number >= bound,
    lt: number < bound,
    lte: number <= bound,
  }[comparison];
}

/** As asked for; else the intervals in their order, else the most first; equal ones by keys. */
function comparison({ groupBy, orderBy }: Aggregation): (a: Group, b: Group) => number {
  const interval = groupBy.findIndex(({ by }) => by === 'interval');
  const unsaid =
    interval >= 0
      ? ({ by: interval, direction: 'asc' } as const)
      : ({ by: { metric: 0, percent: 0 }, direction: 'desc' } as const);
  const keys = groupBy.map((_, by) => ({ by, direction: 'asc' }) as const);
  const orders = [...(orderBy.length > 0 ? orderBy : [unsaid]), ...keys];
  return (a, b) => {
    for (const { by, direction } of orders) {
      const [valueA, valueB] =
        typeof by === 'number'
          ? [a.keys[by] ?? null, b.keys[by] ?? null]
          : [numberOf(a, by), numberOf(b, by)];
      const order = compare(valueA, valueB, direction);
      if (order !== 0) {
        return order;
      }
    }
    return 0;
  };
}

/** Null comes last in either direction. */
function compare(
  a: string | number | null,
  b: string | number | null,
  direction: 'asc' | 'desc',
): number {
  if (a === b) {
    return 0;
  }
  if (a === null || b === null) {
    return a === null ? 1 : -1;
  }
  return (a < b ? -1 : 1) * (direction === 'asc' ? 1 : -1);
}

/** With the intervals in between that have no event, for each of the other keys that there are. */
function filled(
  groups: readonly Group[],
  { groupBy, metrics }: Aggregation,
  filter: Filter,
): Group[] {
  const place = groupBy.findIndex(({ by }) => by === 'interval');
  const grouping = groupBy[place] as Extract<Grouping, { by: 'interval' }>;
  const found = groups.map(({ keys }) => keys[place] as number);
  const [from, to] = boundsOf(filter, grouping.field);
  const start = startOf(grouping.interval);
  const first = from === -Infinity ? Math.min(...found) : start(from);
  const last = to === Infinity ? Math.max(...found) : start(to);
  const others = (keys: Group['keys']): Group['keys'] => keys.toSpliced(place, 1);
  const combinations = new Map(
    groups.map(({ keys }) => [JSON.stringify(others(keys)), others(keys)]),
  );
  if (groupBy.length === 1) {
    combinations.set('[]', []);
  }
  const there = new Set(groups.map(({ keys }) => JSON.stringify(keys)));
  const empty: Group[] = [];
  for (let time = first; time <= last; time = nextStart(grouping.interval, time)) {
    for (const combination of combinations.values()) {
      const keys = combination.toSpliced(place, 0, time);
      if (!there.has(JSON.stringify(keys))) {
        empty.push({ keys, values: metrics.map(valueOfNothing) });
      }
    }
    if (empty.length + groups.length > groupsMax) {
      throw tooManyGroups();
    }
  }
  return [...groups, ...empty];
}

function valueOfNothing({ metric }: NamedMetric): Group['values'][number] {
  switch (metric.of) {
    case 'count':
    case 'sum':
    case 'distinct':
      return 0;
    case 'percentiles':
      return metric.percents.map(() => null);
    default:
      return null;
  }
}

/** The range of times that every match lies in, as far as the filter says it outright. */
function boundsOf({ root }: Filter, field: string): [from: number, to: number] {
  let [from, to] = [-Infinity, Infinity];
  for (const node of root.op === 'and' ? root.nodes : [root]) {
    if (node.op === 'range' && node.field === field && node.bounds.kind === 'time') {
      const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = node.bounds;
      from = Math.max(from, gte, gt + 1);
      to = Math.min(to, lte, lt - 1);
    }
  }
  return [from, to];
}

function rowOf(
  { keys, values }: Group,
  groupBy: readonly Grouping[],
  metrics: readonly NamedMetric[],
): Row {
  const group = groupBy.map(({ by, field }, index) => {
    const key = keys[index]!;
    return [field, by === 'interval' ? isoOf(key as number) : key];
  });
  const told = metrics.map(({ name, metric }, index) => {
    const value = values[index]!;
    if (metric.of === 'percentiles') {
      const list = value as readonly (number | null)[];
      return [name, Object.fromEntries(metric.percents.map((one, at) => [one, list[at] ?? null]))];
    }
    const isInstant = (metric.of === 'min' || metric.of === 'max') && isTime(metric.field);
    return [name, isInstant && typeof value === 'number' ? isoOf(value) : value];
  });
  return { group: Object.fromEntries(group) as Row, ...(Object.fromEntries(told) as Row) };
}

function isoOf(time: number): string {
  return new Date(time).toISOString();
}
