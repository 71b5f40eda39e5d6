import fc from 'fast-check';
import { Recorded, type Event, type Position } from '../../src/event.js';
import type { Interval } from '../../src/interval.js';
import type { AggregateQuery, Grouping, Metric } from '../../src/projections/store.js';

/** Events of few values, so that groups have several, and aggregations that meet them. */

const texts = [
  'a',
  'b',
  'é',
  '3',
  'null',
  'true',
  '',
  'x'.repeat(300),
  `${'y'.repeat(255)}\u{1F600}`,
];
const text = fc.constantFrom(...texts);
const number = fc.oneof(
  fc.constantFrom(0, -1, 3, 0.1, 1e9, -2.5),
  fc.integer({ min: -100, max: 100 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
);
const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null));
const several = fc.oneof(
  { weight: 3, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 4 }) },
);

const payload = fc.record(
  {
    a: several,
    n: fc.oneof(number, fc.array(number, { maxLength: 3 }), text),
    o: fc.record({ b: several, 'c.d': several }, { requiredKeys: [] }),
    'o.b': several,
    list: fc.array(fc.record({ n: number, t: text }), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

/** Around the changes of clocks in Europe and America, leap days, and ends of years. */
const times = [
  '2024-02-29T12:00:00Z',
  '2024-03-10T07:30:00Z',
  '2024-03-31T00:59:59.999Z',
  '2024-03-31T01:00:00Z',
  '2024-10-27T00:30:00+02:00',
  '2024-10-27T01:30:00Z',
  '2024-11-03T04:30:00Z',
  '2024-11-03T05:59:00Z',
  '2024-12-30T23:30:00Z',
  '2024-12-31T23:59:59.999Z',
  '2025-01-01T00:00:00+05:30',
  '1969-12-31T23:59:59Z',
  'no time',
];
const time = fc.oneof(
  fc.constantFrom(...times),
  fc
    .date({ min: new Date('2023-12-01'), max: new Date('2025-02-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
);

const parts = fc.record({
  type: fc.constantFrom('order.paid', 'order.created', 'user.created'),
  time,
  user: fc.option(fc.constantFrom('u1', 'u2'), { nil: undefined }),
  payload,
});

export function eventsArbitrary(count: number): fc.Arbitrary<Recorded[]> {
  return fc.array(parts, { minLength: count, maxLength: count }).map((all) =>
    all.map(({ user, ...own }, position) => {
      const event = {
        id: `e${position}`,
        workspaceId: 'any',
        createdAt: '2024-06-01T00:00:00.000Z',
        source: {
          workspaceId: 'any',
          correlationId: 'c',
          connectionId: 'k',
          ...(user && { userId: user }),
        },
        ...own,
      } as Event;
      return new Recorded(position as Position, Buffer.from(JSON.stringify(event)));
    }),
  );
}

const paths = [
  'payload.a',
  'payload.n',
  'payload.o.b',
  'payload.o.c.d',
  'payload.list.t',
  'payload.none',
];
const field = fc.constantFrom('type', 'workspaceId', 'source.userId', 'target.topic', ...paths);
const numeric = fc.constantFrom(
  'bytes',
  'payload.n',
  'payload.a',
  'payload.o.b',
  'payload.list.n',
  'payload.none',
);

const timeZone = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Havana',
  'Asia/Kolkata',
  'Pacific/Apia',
);
const interval: fc.Arbitrary<Interval> = fc.oneof(
  fc.record({
    unit: fc.constantFrom('day', 'week', 'month', 'quarter', 'year' as const),
    timeZone,
  }),
  fc.record({ lengthMs: fc.constantFrom(3_600_000, 6 * 3_600_000, 10 * 86_400_000) }),
);

const grouping: fc.Arbitrary<Grouping> = fc.oneof(
  { weight: 2, arbitrary: field.map((name) => ({ by: 'terms', field: name }) as const) },
  {
    weight: 1,
    arbitrary: fc.record({
      by: fc.constant('interval' as const),
      field: fc.constantFrom('time', 'createdAt' as const),
      interval,
    }),
  },
);

const metric: fc.Arbitrary<Metric> = fc.oneof(
  fc.constant({ of: 'count' } as const),
  field.map((name) => ({ of: 'distinct', field: name }) as const),
  fc.record({
    of: fc.constantFrom('sum', 'avg', 'min', 'max' as const),
    field: numeric,
  }) as fc.Arbitrary<Metric>,
  fc.record({
    of: fc.constantFrom('min', 'max' as const),
    field: fc.constantFrom('time', 'createdAt'),
  }) as fc.Arbitrary<Metric>,
  fc.record({
    of: fc.constant('percentiles' as const),
    field: numeric,
    percents: fc.uniqueArray(fc.constantFrom(1, 25, 50, 90, 99.9, 100), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
);

/** As the language lets them through: no field twice, one interval at most. */
export const aggregationArbitrary: fc.Arbitrary<Pick<AggregateQuery, 'groupBy' | 'metrics'>> =
  fc.record({
    groupBy: fc
      .uniqueArray(grouping, { maxLength: 3, selector: ({ field: name }) => name })
      .filter((all) => all.filter(({ by }) => by === 'interval').length <= 1),
    metrics: fc.array(metric, { minLength: 1, maxLength: 4 }),
  });
