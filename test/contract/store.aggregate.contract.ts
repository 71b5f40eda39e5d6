import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  Recorded,
  type Incarnation,
  type Json,
  type JsonObject,
  type Position,
} from '../../src/event.js';
import { groupsMax } from '../../src/projections/limits.js';
import type { Aggregate, AggregateQuery, EventStore } from '../../src/projections/store.js';
import { parseFilter } from '../../src/queries/filter.js';
import { range } from '../commands/sealed.js';
import { incarnation, recorded, written } from '../projections/recorded.js';
import { aggregationArbitrary, eventsArbitrary } from '../queries/aggregate.arbitrary.js';
import { assertAggregated } from '../queries/aggregate.oracle.js';
import { oracle } from '../queries/filter.oracle.js';

/** Random events, and random aggregations over each of them: over 1,000 in all. */
const RUNS = 41;
const AGGREGATIONS = 25;
const EVENTS = 60;

const FILTERS: Json[] = [
  {},
  { type: 'order.*' },
  { 'payload.a': { exists: true } },
  // No index tells all of it: the end is longer than what is looked up.
  { $not: { 'payload.a': { suffix: 'x'.repeat(200) } } },
  { type: 'none' },
];

/** What every back end of the store promises of an aggregation. */
export function aggregateContract(storeOf: () => EventStore): void {
  describe('aggregate', () => {
    let workspace: Incarnation;

    beforeEach(() => {
      workspace = incarnation();
    });

    const write = (records: readonly Recorded[], of = workspace) => written(storeOf(), of, records);
    const aggregate = (
      asked: Pick<AggregateQuery, 'groupBy' | 'metrics'> & Partial<AggregateQuery>,
      filter: Json = {},
    ): Promise<Aggregate> =>
      storeOf().aggregate({
        of: [workspace],
        filter: parseFilter(filter),
        last: Number.MAX_SAFE_INTEGER,
        ...asked,
      });
    const COUNT = { groupBy: [], metrics: [{ of: 'count' }] } as const;
    const byText = {
      groupBy: [{ by: 'terms', field: 'payload.a' }],
      metrics: COUNT.metrics,
    } as const;

    it('comes to what a naive reading of random ones comes to', async function () {
      this.timeout(300_000);
      const all = fc.array(aggregationArbitrary, {
        minLength: AGGREGATIONS,
        maxLength: AGGREGATIONS,
      });
      const meets = fc.asyncProperty(all, eventsArbitrary(EVENTS), async (asked, records) => {
        workspace = incarnation();
        await write(records);
        await Promise.all(
          asked.map(async (one, index) => {
            const filter = FILTERS[index % FILTERS.length]!;
            const matching = records.filter(({ event, position }) =>
              oracle(filter, event, position),
            );
            assertAggregated(await aggregate(one, filter), one, matching);
          }),
        );
      });
      await fc.assert(meets, { numRuns: RUNS });
    });

    it('counts what is up to a position, and of one workspace', async () => {
      await write(range(0, 10).map((n) => recorded(n)));
      await write([recorded(0)], incarnation());
      assert.deepEqual((await aggregate(COUNT)).groups, [{ keys: [], values: [10] }]);
      assert.deepEqual((await aggregate({ ...COUNT, last: 3 })).groups[0]!.values, [4]);
      assert.deepEqual((await aggregate({ ...COUNT, last: -1 })).groups[0]!.values, [0]);
    });

    it('puts several workspaces together', async () => {
      const others = [incarnation(), incarnation()];
      const values = [1, 2, 3];
      for (const [index, of] of [workspace, ...others].entries()) {
        const payload = { a: 'x', n: values[index]! };
        await write([recorded(0, { payload }), recorded(1, { payload: { a: 'y' } })], of);
      }
      const { groups } = await aggregate({
        ...byText,
        metrics: [
          { of: 'count' },
          { of: 'sum', field: 'payload.n' },
          { of: 'max', field: 'payload.n' },
        ],
        of: [workspace, ...others],
        last: Infinity,
      });
      const sorted = groups.toSorted((a, b) => (String(a.keys[0]) < String(b.keys[0]) ? -1 : 1));
      assert.deepEqual(sorted, [
        { keys: ['x'], values: [3, 6, 3] },
        { keys: ['y'], values: [3, 0, null] },
      ]);
    });

    it('takes keys of any name', async () => {
      const keys = ['*', ' ', 'a b', '\0', 'é.[x]', '__proto__', '.a', 'a.', '', 'x>y', '{now/d}'];
      const payload = JSON.parse(
        JSON.stringify(Object.fromEntries([...keys, 'b'].map((key) => [`k${key}`, key]))),
      ) as JsonObject;
      await write([recorded(0, { payload })]);
      for (const key of keys) {
        const field = `payload.k${key}`;
        const { groups } = await aggregate({
          groupBy: [{ by: 'terms', field }],
          metrics: [{ of: 'distinct', field }],
        });
        assert.deepEqual(groups, [{ keys: [key], values: [1] }], JSON.stringify(key));
      }
    });

    it('counts an event under all that several long lists make together', async function () {
      this.timeout(30_000);
      const list = (name: string, count: number): string[] =>
        range(0, count).map((n) => `${name}${n}`);
      const payload = { a: list('a', 12), b: list('b', 45), c: list('c', 12), n: [1, 2] };
      await write([recorded(0, { payload }), recorded(1, { payload: { a: 'a0', b: 'b0' } })]);
      for (const fields of ['ab', 'abc']) {
        const { groups } = await aggregate({
          groupBy: [...fields].map((name) => ({ by: 'terms', field: `payload.${name}` }) as const),
          metrics: [{ of: 'count' }, { of: 'sum', field: 'payload.n' }],
        });
        assert.equal(groups.length, fields === 'ab' ? 12 * 45 : 12 * 45 * 12 + 1);
        const total = groups.reduce((sum, { values }) => sum + Number(values[0]), 0);
        assert.equal(total, 12 * 45 * (fields === 'ab' ? 1 : 12) + 1);
        assert.ok(groups.every(({ values: [count, sum] }) => sum === 3 || count === 1));
      }
    });

    it('leaves out what is beyond the range of a number', async () => {
      const spelled = JSON.stringify(recorded(0, { payload: { n: 7, none: 8 } }).event);
      const bytes = Buffer.from(spelled.replace(':7', ':[7,1e400,-1e400]').replace(':8', ':1e400'));
      await write([new Recorded(0 as Position, bytes)]);
      for (const [field, expected] of [
        ['payload.n', [7, 7, 7, 7]],
        ['payload.none', [0, null, null, null]],
      ] as const) {
        const metrics = (['sum', 'avg', 'min', 'max'] as const).map((of) => ({ of, field }));
        const { groups } = await aggregate({ groupBy: [], metrics });
        assert.deepEqual(groups[0]!.values, expected);
      }
    });

    it('has as many groups as may be, and refuses one more', async function () {
      this.timeout(60_000);
      const many = (count: number): string[] => range(0, count).map((n) => `v${n}`);
      const payloads = [{ a: many(groupsMax / 2) }, { a: many(groupsMax) }];
      await write([recorded(0, { payload: payloads[0]! })]);
      assert.equal((await aggregate(byText)).groups.length, groupsMax / 2);
      const twice = [{ by: 'terms', field: 'type' }, byText.groupBy[0]] as const;
      assert.equal((await aggregate({ ...byText, groupBy: twice })).groups.length, groupsMax / 2);
      await write([recorded(1, { payload: { a: many(groupsMax - 10).slice(groupsMax / 2) } })]);
      assert.equal((await aggregate(byText)).groups.length, groupsMax - 10);
      await write([recorded(2, { payload: { a: range(0, 11).map((n) => `w${n}`) } })]);
      await assert.rejects(aggregate(byText), {
        code: 'query-too-costly',
        message: /10,000 groups/,
      });
      await assert.rejects(aggregate({ ...byText, groupBy: twice }), { code: 'query-too-costly' });
    });

    it('is given up when who asked has left', async () => {
      await write([recorded(0)]);
      const signal = AbortSignal.abort();
      await assert.rejects(aggregate({ ...COUNT, signal }), { name: 'AbortError' });
    });
  });
}
