import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Incarnation, type Position } from '../../src/event.js';
import type { AggregateQuery, EventStore } from '../../src/projections/store.js';
import { parseFilter } from '../../src/queries/filter.js';
import { positionsOf, range } from '../commands/sealed.js';
import { until } from '../until.js';
import { elasticsearch, newPrefix, openStore, removeIndices } from './elastic.js';
import { openProxy, type Asked, type Proxy, type Told } from './elastic.proxy.js';
import { END, newest, newestQuery } from './newest.js';
import { incarnation, recorded, recordedRange, written } from './recorded.js';

function countOf(of: Incarnation): AggregateQuery {
  const filter = parseFilter({});
  return { of: [of], filter, last: END, groupBy: [], metrics: [{ of: 'count' }] };
}

describe('the Elasticsearch store, when the cluster is not as it should be', function () {
  this.timeout(30_000);

  let proxy: Proxy;
  let prefix: string;
  let store: EventStore;
  let of: Incarnation;

  beforeEach(async () => {
    proxy = await openProxy();
    prefix = newPrefix();
    store = openStore(prefix, { nodes: [proxy.url] });
    of = incarnation();
  });

  afterEach(async () => {
    await store.close();
    proxy.close();
    await removeIndices(prefix);
  });

  const bulks = (): Asked[] => proxy.asked.filter(({ what }) => what === 'POST /_bulk');
  const idsIn = ({ body }: Asked): string[] =>
    [...body.matchAll(/"_id":"[^"]*\/(\w+)"/g)].map(([, id]) => id!);
  const isBulk = ({ what }: Asked): boolean => what === 'POST /_bulk';
  const busy: Told = { status: 429, body: { error: { type: 'es_rejected_execution_exception' } } };
  const scanAll = async (): Promise<number[]> =>
    positionsOf(await store.scan(of, BEFORE_FIRST, END, Infinity));

  it('writes for many workspaces in few bulks, two at a time', async () => {
    const all = range(0, 30).map(() => incarnation());
    // Of each, the node knows by then which columns it has.
    await Promise.all(all.map((each) => store.write(each, [recorded(9)])));
    const before = bulks().length;
    const outcomes = await Promise.all(all.map((each) => store.write(each, recordedRange(0, 3))));
    assert.ok(outcomes.flat().every((outcome) => outcome === 'stored'));
    assert.ok(bulks().length - before <= 4, `${bulks().length - before} bulks`);
  });

  it('moves the checkpoints of many workspaces with few refreshes', async () => {
    const all = range(0, 30).map(() => incarnation());
    await Promise.all(all.map((each) => store.write(each, recordedRange(0, 3))));
    const refreshes = (): Asked[] => proxy.asked.filter(({ what }) => what.endsWith('_refresh'));
    // Has the indices made, which takes a refresh for each.
    await store.advance(of, 0 as Position);
    const before = refreshes().length;
    await Promise.all(all.map((each) => store.write(each, recordedRange(3, 6))));
    await Promise.all(all.map((each) => store.advance(each, 5 as Position)));
    assert.ok(refreshes().length - before <= 2, `${refreshes().length - before} refreshes`);
    for (const each of all) {
      assert.equal(await store.checkpoint(each), 5);
    }
  });

  it('splits a bulk that is too large, and refuses an event that is so by itself', async () => {
    proxy.answer = (asked) =>
      isBulk(asked) && asked.body.length > 20_000 ? { status: 413, body: {} } : undefined;
    const records = recordedRange(0, 100, { payload: { text: 'x'.repeat(900) } });
    records[42] = recorded(42, { payload: { text: 'x'.repeat(20_000) } });
    const outcomes = await written(store, of, records);
    const refused = outcomes.flatMap((outcome, at) => (typeof outcome === 'object' ? [at] : []));
    assert.deepEqual(refused, [42]);
    assert.equal((await scanAll()).length, 99);
  });

  it('asks again for what was refused for the moment, and for nothing else', async () => {
    let told = 0;
    proxy.answer = (asked) => {
      if (!isBulk(asked) || told === 2) {
        return undefined;
      }
      told++;
      return told === 1
        ? busy
        : {
            status: 200,
            body: { items: [{ create: { status: 201 } }, { create: { status: 429 } }] },
          };
    };
    const outcomes = await store.write(of, [recorded(0), recorded(1)]);
    assert.deepEqual(outcomes, ['stored', 'stored']);
    assert.deepEqual(bulks().map(idsIn), [['e0', 'e1'], ['e0', 'e1'], ['e1']]);
  });

  it('is unavailable, and parks nothing, while there is no write to be had', async () => {
    proxy.answer = (asked) => (isBulk(asked) ? { status: 503, body: {} } : undefined);
    await assert.rejects(store.write(of, [recorded(0)]), { code: 'unavailable' });
    proxy.answer = () => undefined;
    assert.deepEqual(await store.write(of, [recorded(0)]), ['stored']);
  });

  it('is unavailable, and parks nothing, while an index is closed to writes', async () => {
    await store.write(of, [recorded(0)]);
    const index = `${prefix}-2001.01-000001`;
    const close = (write: boolean): Promise<unknown> =>
      elasticsearch.indices.putSettings({ index, settings: { blocks: { write } } });
    await close(true);
    await assert.rejects(store.write(of, [recorded(1)]), { code: 'unavailable' });
    await close(false);
    assert.deepEqual(await store.write(of, [recorded(1)]), ['stored']);
  });

  it('stores no event while it cannot know whether the month before has it', async () => {
    const [late, early] = ['2001-01-31T23:59:59.000Z', '2001-02-01T00:00:01.000Z'].map(
      (createdAt, position) => recorded(position, { id: 'a', createdAt }),
    );
    await written(store, of, [late!]);
    const index = `${prefix}-2001.01-000001`;
    await elasticsearch.indices.close({ index });
    await assert.rejects(store.write(of, [early!]), { code: 'unavailable' });
    await elasticsearch.indices.open({ index });
    assert.deepEqual(await written(store, of, [early!]), ['exists']);
    assert.deepEqual(await scanAll(), [0]);
  });

  describe('and an operator closes a month', () => {
    let index: string;

    beforeEach(async () => {
      index = `${prefix}-2001.01-000001`;
      const later = recorded(1, { createdAt: '2001-06-01T00:00:00Z' });
      await written(store, of, [recorded(0), later]);
      await elasticsearch.indices.close({ index });
    });

    it('gives no answer without its events', async () => {
      for (const ask of [scanAll, () => newest(store, of), () => store.aggregate(countOf(of))]) {
        await assert.rejects(ask(), { code: 'unavailable', message: /index_closed_exception/ });
      }
      await elasticsearch.indices.open({ index });
      assert.deepEqual(await scanAll(), [0, 1]);
    });

    it('parks nothing of it, and stores what comes again once it is open', async () => {
      await assert.rejects(store.write(of, [recorded(2)]), { code: 'unavailable' });
      await elasticsearch.indices.open({ index });
      assert.deepEqual(await written(store, of, [recorded(2)]), ['stored']);
      assert.deepEqual(await scanAll(), [0, 1, 2]);
    });

    it('is not done with a removal before that can be complete', async () => {
      await assert.rejects(store.drop(of), { code: 'unavailable' });
      await elasticsearch.indices.open({ index });
      await store.drop(of);
      const { count } = await elasticsearch.count({ index: prefix });
      assert.equal(count, 0);
    });
  });

  it('parks nothing while nobody knows which of two indices takes the writes', async () => {
    await store.write(of, [recorded(0)]);
    const alias = `${prefix}-2001.01`;
    const index = `${prefix}-other`;
    await elasticsearch.indices.create({ index, aliases: { [alias]: {} } });
    await assert.rejects(store.write(of, [recorded(1)]), { code: 'unavailable' });
    await elasticsearch.indices.delete({ index });
    assert.deepEqual(await store.write(of, [recorded(1)]), ['stored']);
  });

  it('has an empty history before there is an index', async () => {
    assert.deepEqual(await scanAll(), []);
    assert.deepEqual((await newest(store, of)).records, []);
    const metrics = [
      { of: 'count' },
      { of: 'distinct', field: 'type' },
      { of: 'sum', field: 'bytes' },
      { of: 'max', field: 'bytes' },
      { of: 'percentiles', field: 'bytes', percents: [50] },
    ] as const;
    const { groups } = await store.aggregate({ ...countOf(of), metrics });
    assert.deepEqual(groups, [{ keys: [], values: [0, 0, 0, null, [null]] }]);
    await store.drop(of);
    const fails: Told = { status: 404, body: {} };
    proxy.answer = ({ what }) => (what.endsWith('_search') ? fails : undefined);
    await assert.rejects(scanAll(), { code: 'unavailable' });
  });

  it('makes an index again that was deleted, with its own mapping', async () => {
    await store.write(of, [recorded(0)]);
    const index = `${prefix}-2001.01-000001`;
    await elasticsearch.indices.delete({ index });
    await assert.rejects(store.write(of, [recorded(1)]), { code: 'unavailable' });
    assert.deepEqual(await written(store, of, [recorded(1)]), ['stored']);
    assert.deepEqual(await scanAll(), [1]);
    const { [index]: made } = await elasticsearch.indices.getMapping({ index });
    assert.equal(made!.mappings.dynamic, 'strict');
  });

  it('has readers notice nothing of an index that is being made', async () => {
    const reader = openStore(prefix);
    try {
      let areMade = false;
      const read = async (): Promise<boolean> => {
        await reader.checkpoint(of);
        await newest(reader, of);
        return areMade;
      };
      const reading = until('all are made', read, 30_000);
      for (const month of range(1, 11)) {
        const createdAt = `2001-${String(month).padStart(2, '0')}-01T00:00:00Z`;
        await written(store, of, [recorded(month, { createdAt })]);
      }
      areMade = true;
      await reading;
      assert.equal((await scanAll()).length, 10);
    } finally {
      await reader.close();
    }
  });

  it('goes on with an index whose maker died before it could be known', async () => {
    const fails: Told = { status: 503, body: {} };
    proxy.answer = ({ what }) => (what === 'POST /_aliases' ? fails : undefined);
    await assert.rejects(store.write(of, [recorded(0)]), { code: 'unavailable' });
    assert.deepEqual(await scanAll(), []);
    const other = openStore(prefix);
    try {
      assert.deepEqual(await written(other, of, [recorded(0)]), ['stored']);
    } finally {
      await other.close();
    }
    assert.deepEqual(await scanAll(), [0]);
  });

  it('writes into no index of another layout', async () => {
    await elasticsearch.indices.create({
      index: `${prefix}-other`,
      mappings: { _meta: { layout: 99 } },
      aliases: { [`${prefix}-2001.01`]: {} },
    });
    await assert.rejects(store.write(of, [recorded(0)]), /has layout 99/);
  });

  it('keeps losses in an index of an earlier release, and where it was deleted', async () => {
    const losses = [{ after: 3 as Position, before: 7 as Position }];
    const index = `${prefix}-workspaces-000001`;
    await elasticsearch.indices.create({
      index,
      mappings: {
        _meta: { layout: 1 },
        dynamic: 'strict',
        properties: {
          columns: { type: 'object', enabled: false },
          position: { type: 'long', index: false },
        },
      },
      aliases: { [`${prefix}-workspaces`]: {} },
    });
    await store.lose(of, losses);
    assert.deepEqual(await store.losses(of), losses);
    await elasticsearch.indices.delete({ index });
    assert.deepEqual(await store.losses(of), []);
    await assert.rejects(store.lose(of, losses), { code: 'unavailable' });
    await store.lose(of, losses);
    assert.deepEqual(await store.losses(of), losses);
  });

  it('moves no checkpoint before what it vouches for can be found', async () => {
    await store.write(of, [recorded(0)]);
    const fails: Told = { status: 503, body: {} };
    proxy.answer = ({ what }) => (what.endsWith('_refresh') ? fails : undefined);
    await assert.rejects(store.advance(of, 0 as Position), { code: 'unavailable' });
    proxy.answer = () => undefined;
    assert.equal(await store.checkpoint(of), BEFORE_FIRST);
    await store.advance(of, 0 as Position);
    assert.deepEqual(await scanAll(), [0]);
  });

  it('ends a search that takes too long, and tells what to do about it', async () => {
    proxy.answer = ({ what }) =>
      what.endsWith('_search')
        ? { status: 200, body: { timed_out: true, hits: { hits: [] } } }
        : undefined;
    await assert.rejects(newest(store, of), {
      code: 'unavailable',
      message: /Narrow its filter/,
    });
  });

  it('gives no answer that lacks the events of a shard', async () => {
    const body = { timed_out: false, _shards: { failed: 1 }, hits: { hits: [] } };
    proxy.answer = ({ what }) => (what.endsWith('_search') ? { status: 200, body } : undefined);
    await assert.rejects(scanAll(), { code: 'unavailable', message: /shards/ });
  });

  it('ends a search to which no answer comes, whatever it was', async () => {
    const hasty = openStore(prefix, { nodes: [proxy.url], searchMsMax: 50 });
    proxy.answer = ({ what }) => (what.endsWith('_search') ? 'silence' : undefined);
    try {
      for (const asking of [newest(hasty, of), hasty.aggregate(countOf(of))]) {
        await assert.rejects(asking, { code: 'unavailable', message: /Narrow its filter/ });
      }
    } finally {
      await hasty.close();
    }
  });

  it('gives a page that is full when time is up', async () => {
    const end = 'ab'.repeat(60);
    await written(store, of, recordedRange(0, 600, { payload: { end } }));
    const filter = { 'payload.end': { suffix: end } };
    let searches = 0;
    proxy.answer = ({ what }) =>
      what.endsWith('_search') && ++searches > 1
        ? { status: 200, body: { timed_out: true, hits: { hits: [] } } }
        : undefined;
    const page = await newest(store, of, { filter, limit: 500 });
    assert.deepEqual([page.records.length, page.next], [500, 100]);
    searches = 0;
    await assert.rejects(newest(store, of, { filter, limit: 501 }), { code: 'unavailable' });
  });

  it('leaves Elasticsearch alone with what nobody waits for any more', async () => {
    proxy.answer = ({ what }) => (what.endsWith('_search') ? 'silence' : undefined);
    const reason = new Error('left');
    for (const ask of [
      (signal: AbortSignal) => store.search({ ...newestQuery(of, {}), signal }),
      (signal: AbortSignal) => store.aggregate({ ...countOf(of), signal }),
    ]) {
      const leave = new AbortController();
      const seen = proxy.asked.length;
      const asking = ask(leave.signal);
      const isAsked = (): Asked | undefined =>
        proxy.asked.slice(seen).find(({ what }) => what.endsWith('_search'));
      await until('it is asked', () => isAsked() !== undefined);
      leave.abort(reason);
      await assert.rejects(asking, reason);
      await isAsked()!.ended;
    }
  });

  it('refuses an aggregation that takes too much memory, at all shards or at one', async () => {
    const reason = { type: 'circuit_breaking_exception', reason: '[request] Data too large' };
    const answers: Told[] = [
      {
        status: 429,
        body: { error: { type: 'search_phase_execution_exception', caused_by: reason } },
      },
      { status: 200, body: { timed_out: false, _shards: { failed: 1, failures: [{ reason }] } } },
    ];
    for (const answer of answers) {
      proxy.answer = ({ what }) => (what.endsWith('_search') ? answer : undefined);
      await assert.rejects(store.aggregate(countOf(of)), {
        code: 'query-too-costly',
        message: /memory/,
      });
    }
  });

  it('gives no aggregation of some of the events, for want of time or of a shard', async () => {
    for (const [told, message] of [
      [{ timed_out: true, _shards: { failed: 0 } }, /Narrow its filter/],
      [{ timed_out: false, _shards: { failed: 1 } }, /shards/],
    ] as const) {
      const body = { ...told, hits: { total: { value: 1 } } };
      proxy.answer = ({ what }) => (what.endsWith('_search') ? { status: 200, body } : undefined);
      await assert.rejects(store.aggregate(countOf(of)), { code: 'unavailable', message });
    }
  });

  it('moves no checkpoint while a shard cannot be refreshed', async () => {
    await store.write(of, [recorded(0)]);
    const body = { _shards: { failed: 1 } };
    proxy.answer = ({ what }) => (what.endsWith('_refresh') ? { status: 200, body } : undefined);
    await assert.rejects(store.advance(of, 0 as Position), { code: 'unavailable' });
    assert.equal(await store.checkpoint(of), BEFORE_FIRST);
  });

  it('parks nothing for a request that is refused as a whole', async () => {
    for (const status of [400, 401, 403]) {
      proxy.answer = (asked) => (isBulk(asked) ? { status, body: {} } : undefined);
      await assert.rejects(store.write(of, [recorded(0)]), { code: 'unavailable' });
    }
  });

  it('says that there is too much to do where Elasticsearch says so', async () => {
    proxy.answer = ({ what }) => (what.endsWith('_search') ? busy : undefined);
    await assert.rejects(newest(store, of), { code: 'limit-exceeded', retryAfterSeconds: 1 });
  });

  it('trims no event that took the id of one that another node has trimmed', async () => {
    await written(store, of, [recorded(0, { id: 'a' })]);
    let isTrimmed = false;
    proxy.answer = (asked) =>
      isBulk(asked) && asked.body.startsWith('{"delete"') && !isTrimmed ? busy : undefined;
    const trim = store.trim(of, 0 as Position);
    const trimming = trim[Symbol.asyncIterator]().next();
    const other = openStore(prefix);
    try {
      await until('it deletes', () => bulks().some(({ body }) => body.startsWith('{"delete"')));
      for await (const removed of other.trim(of, 0 as Position)) {
        assert.equal(removed, 1);
      }
      await written(other, of, [recorded(1, { id: 'a' })]);
      isTrimmed = true;
      assert.deepEqual(await trimming, { done: false, value: 0 });
      await elasticsearch.indices.refresh({ index: prefix });
      assert.deepEqual(await scanAll(), [1]);
    } finally {
      await other.close();
    }
  });

  it('goes on with a drop that was cut short', async () => {
    await written(store, of, recordedRange(0, 1_200));
    let deletions = 0;
    proxy.answer = (asked) =>
      isBulk(asked) && asked.body.startsWith('{"delete"') && ++deletions === 2
        ? { status: 400, body: { error: { type: 'cut', reason: 'short' } } }
        : undefined;
    await assert.rejects(store.drop(of), { code: 'unavailable' });
    assert.notDeepEqual(await scanAll(), []);
    await store.drop(of);
    assert.deepEqual(await scanAll(), []);
    const { count } = await elasticsearch.count({ index: prefix });
    assert.equal(count, 0);
  });
});
