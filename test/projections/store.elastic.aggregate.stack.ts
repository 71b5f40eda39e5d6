import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Incarnation, type JsonObject, type Position } from '../../src/event.js';
import { columnsMax } from '../../src/projections/store.elastic.columns.js';
import type { AggregateQuery, EventStore, Group } from '../../src/projections/store.js';
import { parseFilter } from '../../src/queries/filter.js';
import { range } from '../commands/sealed.js';
import { assertAggregated } from '../queries/aggregate.oracle.js';
import { elasticsearch, newPrefix, openStore, removeIndices, withTwoStores } from './elastic.js';
import { END } from './newest.js';
import { incarnation, recorded, written } from './recorded.js';

const COUNT = { of: 'count' } as const;
const sumOf = (field: string) => ({ of: 'sum', field }) as const;
const termsOf = (field: string) => ({ by: 'terms', field }) as const;

describe('the aggregations of the Elasticsearch store', function () {
  this.timeout(120_000);

  let store: EventStore;
  /** Of another node. */
  let other: EventStore;
  let of: Incarnation;

  withTwoStores((...opened) => {
    [store, other] = opened;
  });

  beforeEach(() => {
    of = incarnation();
  });

  type Asked = Partial<Omit<AggregateQuery, 'filter'>>;
  const query = (asked: Asked): AggregateQuery => ({
    of: [of],
    filter: parseFilter({}),
    last: END,
    groupBy: [],
    metrics: [COUNT],
    ...asked,
  });
  const groups = async (asked: Asked, by = store): Promise<readonly Group[]> =>
    (await by.aggregate(query(asked))).groups;
  const write = (payloads: readonly JsonObject[], to = of, by = store) =>
    written(
      by,
      to,
      payloads.map((payload, position) => recorded(position, { payload })),
    );

  it('give each path a column for its numbers, also when two nodes write at once', async () => {
    const paths = range(0, 20).map((n) => `n${n}`);
    const payload = (from: readonly string[]): JsonObject =>
      Object.fromEntries(from.map((path) => [path, 2]));
    await Promise.all([
      store.write(of, [recorded(0, { payload: payload(paths) })]),
      other.write(of, [recorded(1, { payload: payload(paths.toReversed()) })]),
    ]);
    await written(other, of, [recorded(2, { payload: { n3: 0.5, late: 7 } })]);
    await store.advance(of, 2 as Position);
    const metrics = [...paths.map((path) => sumOf(`payload.${path}`)), sumOf('payload.late')];
    const expected = [...paths.map((path) => (path === 'n3' ? 4.5 : 4)), 7];
    for (const node of [store, other]) {
      assert.deepEqual((await groups({ metrics }, node))[0]!.values, expected);
    }
  });

  it('know the columns of a path in each of several workspaces', async () => {
    const [first, second, third] = [incarnation(), incarnation(), incarnation()];
    await write([{ b: 10, a: 1 }], first);
    await write([{ b: 20 }, { b: 40, a: 2 }], second);
    await write([{ c: 1 }], third);
    const metrics = [
      ...(['sum', 'avg', 'min', 'max'] as const).map((what) => ({
        of: what,
        field: 'payload.b',
      })),
      { of: 'percentiles', field: 'payload.b', percents: [50, 100] } as const,
      { of: 'sum', field: 'bytes' } as const,
    ];
    const all = await groups({ of: [first, second, third], last: Infinity, metrics });
    assert.deepEqual(all[0]!.values.slice(0, 5), [70, 70 / 3, 10, 40, [20, 40]]);
    const one = await groups({ of: [first, third], last: Infinity, metrics });
    assert.deepEqual(one[0]!.values.slice(0, 5), [10, 10, 10, 10, [10, 10]]);
    const some = await groups({ of: [third], metrics });
    assert.deepEqual(some[0]!.values.slice(0, 5), [0, null, null, null, [null, null]]);
  });

  it('learn from the events the columns of a list that was lost, or is older', async () => {
    const of = incarnation();
    const own = newPrefix();
    const forgetful = async (work: (node: EventStore) => Promise<void>): Promise<void> => {
      const node = openStore(own);
      await work(node);
      await node.close();
      await elasticsearch.indices.delete({ index: `${own}-workspaces-000001` });
    };
    const sums = async (node: EventStore): Promise<unknown> => {
      const metrics = ['a', 'b', 'c', 'd'].map((name) => sumOf(`payload.${name}`));
      const { groups: found } = await node.aggregate(query({ of: [of], metrics }));
      return found[0]!.values;
    };
    try {
      await forgetful(async (node) => {
        await written(node, of, [recorded(0, { payload: { a: 1 } })]);
        await written(node, of, [recorded(1, { payload: { b: 2, c: 3 } })]);
      });
      await forgetful(async (node) => {
        assert.deepEqual(await sums(node), [1, 2, 3, 0]);
      });
      await forgetful(async (node) => {
        await written(node, of, [recorded(2, { payload: { d: 4, c: 5 } })]);
        assert.deepEqual(await sums(node), [1, 2, 8, 4]);
      });
    } finally {
      await removeIndices(own);
    }
  });

  it('refuse numbers of a path that came after all columns, and no other', async () => {
    const many = Object.fromEntries(range(0, columnsMax).map((n) => [`n${n}`, n]));
    await write([many, { ...many, late: 'x' }]);
    assert.deepEqual((await groups({ metrics: [sumOf('payload.n9')] }))[0]!.values, [18]);
    const outcomes = await written(store, of, [recorded(2, { payload: { late: 5 } })]);
    assert.deepEqual(outcomes, ['stored']);
    await assert.rejects(groups({ metrics: [sumOf('payload.late')] }), {
      code: 'query-too-costly',
      message: /numbers at 256 paths before it had any at payload\.late/,
    });
    const texts = await groups({ groupBy: [termsOf('payload.late')] });
    assert.deepEqual(new Set(texts.map(({ keys: [key] }) => key)), new Set(['5', 'x', null]));
  });

  it('refuse groups of several events that are more than Elasticsearch tells', async () => {
    const list = (name: string): string[] => range(0, 30).map((n) => `${name}${n}`);
    await write(range(0, 90).map((n) => ({ a: list(`a${n % 9}-`), b: list(`b${n}-`) })));
    const groupBy = [termsOf('payload.a'), termsOf('payload.b')];
    await assert.rejects(groups({ groupBy }), {
      code: 'query-too-costly',
      message: /more than 10,000 groups/,
    });
  });

  it('refuse one event in too many groups before it takes the memory of the cluster', async () => {
    const list = (name: string): string[] => range(0, 300).map((n) => `${name}${n}`);
    await write([{ a: list('a'), b: list('b'), c: list('c') }]);
    const groupBy = ['a', 'b', 'c'].map((name) => termsOf(`payload.${name}`));
    const began = performance.now();
    await assert.rejects(groups({ groupBy }), { code: 'query-too-costly' });
    assert.ok(performance.now() - began < 5_000);
  });

  it('take the names of time zones as the language does', async () => {
    await written(store, of, [recorded(0, { time: '2024-01-31T20:00:00Z' })]);
    for (const [timeZone, start] of [
      ['utc', '2024-01-31T00:00:00Z'],
      ['UTC+5:30', '2024-01-31T18:30:00Z'],
      ['asia/calcutta', '2024-01-31T18:30:00Z'],
      ['america/HAVANA', '2024-01-31T05:00:00Z'],
    ] as const) {
      const interval = { unit: 'day', timeZone } as const;
      const [group] = await groups({ groupBy: [{ by: 'interval', field: 'time', interval }] });
      assert.equal(group!.keys[0], Date.parse(start), timeZone);
    }
  });

  it('tell how far off they may be where they estimate, and are not further off', async () => {
    const perEvent = 9_000;
    const records = range(0, 12).map((position) => {
      const numbers = range(0, perEvent).map((n) => ((n * 7_919 + position) % 60_000) ** 2);
      return recorded(position, { payload: { n: numbers } });
    });
    await written(store, of, records);
    const metrics = [
      { of: 'distinct', field: 'payload.n' } as const,
      {
        of: 'percentiles',
        field: 'payload.n',
        percents: [0.1, 1, 10, 50, 90, 99.9, 100],
      } as const,
      COUNT,
      sumOf('payload.n'),
    ];
    for (const groupBy of [[], [termsOf('type')]]) {
      const answer = await store.aggregate(query({ groupBy, metrics }));
      const relative = groupBy.length === 0 ? 0.01 : 0.04;
      assert.deepEqual(
        [...answer.approximate],
        [
          [0, { relative }],
          [1, { rank: 0.01 }],
        ],
      );
      assertAggregated(answer, { groupBy, metrics }, records);
      const [distinct] = answer.groups[0]!.values;
      const exact = new Set(records.flatMap(({ event }) => event.payload.n as number[])).size;
      assert.notEqual(distinct, exact, 'it was no estimate');
    }
  });

  it('are exact over months and their shards', async () => {
    const records = range(0, 240).map((n) => {
      const createdAt = new Date(Date.UTC(2020, n % 24, 1 + (n % 28))).toISOString();
      return recorded(n, { createdAt, payload: { a: [`t${n % 7}`, `t${n % 5}`], n: n / 8 } });
    });
    await written(store, of, records);
    const asked = {
      groupBy: [
        termsOf('payload.a'),
        {
          by: 'interval',
          field: 'createdAt',
          interval: { unit: 'quarter', timeZone: 'Asia/Kolkata' },
        } as const,
      ],
      metrics: [COUNT, sumOf('payload.n'), { of: 'max', field: 'createdAt' } as const],
    };
    assertAggregated(await store.aggregate(query(asked)), asked, records);
    assert.deepEqual(await groups({ last: BEFORE_FIRST }), [{ keys: [], values: [0] }]);
  });

  it('take more workspaces than Elasticsearch takes in a list', async () => {
    await write([{ a: 1 }, { a: 2 }]);
    const others = range(0, 70_000).map((n) => incarnation(`none-${n}`));
    const all = [...others, of];
    const metrics = [COUNT, sumOf('payload.a')];
    const [group] = await groups({ of: all, last: Infinity, metrics });
    assert.deepEqual(group!.values, [2, 3]);
    const { sort, order, limit } = { sort: 'time', order: 'newest', limit: 1 } as const;
    const filter = parseFilter({});
    const page = await store.search({ of: all, filter, last: Infinity, sort, order, limit });
    assert.deepEqual([page.hits[0]!.of, page.more], [of, true]);
  });

  it('are not answered from an index of another layout', async () => {
    const old = newPrefix();
    await elasticsearch.indices.create({
      index: `${old}-2001.01-000001`,
      mappings: { _meta: { layout: 1 } },
      aliases: { [old]: {} },
    });
    const upgraded = openStore(old);
    try {
      await assert.rejects(groups({}, upgraded), /has layout 1, this release reads 2/);
    } finally {
      await upgraded.close();
      await removeIndices(old);
    }
  });
});
