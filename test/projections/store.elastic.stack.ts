import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Incarnation, type Position } from '../../src/event.js';
import type { EventStore } from '../../src/projections/store.js';
import { positionsOf, range } from '../commands/sealed.js';
import { storeContract } from '../contract/store.contract.js';
import { elasticsearch, newPrefix, openStore, removeIndices, withTwoStores } from './elastic.js';
import { END, newest, type Newest } from './newest.js';
import { incarnation, recorded, recordedRange, written } from './recorded.js';

storeContract('Elasticsearch', async () => {
  const prefix = newPrefix();
  let store = openStore(prefix);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = openStore(prefix);
      return store;
    },
    dispose: async () => {
      await store.close();
      await removeIndices(prefix);
    },
  };
});

describe('the Elasticsearch store, beyond what every store promises', function () {
  this.timeout(30_000);

  let store: EventStore;
  /** Of another node. */
  let other: EventStore;
  let prefix: string;
  let of: Incarnation;

  withTwoStores((...opened) => {
    [store, other, prefix] = opened;
  });

  beforeEach(() => {
    of = incarnation();
  });

  const search = (limit: number, before: Position = END): Promise<Newest> =>
    newest(store, of, { limit, before });
  const scanAll = async (): Promise<number[]> =>
    positionsOf(await store.scan(of, BEFORE_FIRST, END, Infinity));

  it('moves no checkpoint back that another node has moved', async () => {
    await store.advance(of, 9 as Position);
    await other.advance(of, 4 as Position);
    assert.equal(await other.checkpoint(of), 9);
  });

  it('tells what it was told lately only to who takes that', async () => {
    await store.advance(of, 4 as Position);
    assert.equal(await store.checkpoint(of), 4);
    await other.advance(of, 9 as Position);
    assert.equal(await store.checkpoint(of, 3_600_000), 4);
    assert.equal(await store.checkpoint(of), 9);
    assert.equal(await store.checkpoint(of, 3_600_000), 9);
  });

  it('finds what a node wrote that was gone before it could be found', async () => {
    assert.deepEqual(await store.write(of, [recorded(0)]), ['stored']);
    assert.deepEqual(await other.write(of, [recorded(0)]), ['exists']);
    await other.advance(of, 0 as Position);
    assert.deepEqual(await scanAll(), [0]);
  });

  it('refuses what Elasticsearch cannot parse, with its reason, and stores the rest', async () => {
    const outcomes = await written(store, of, [recorded(0), recorded(1e300), recorded(2)]);
    assert.deepEqual([outcomes[0], outcomes[2]], ['stored', 'stored']);
    assert.match((outcomes[1] as { refused: string }).refused, /position.*type \[long\]/);
    assert.deepEqual(await scanAll(), [0, 2]);
  });

  it('knows an id again where a month has ended in between', async () => {
    const late = { id: 'a', createdAt: '2001-01-31T23:59:59.000Z' };
    const early = { id: 'a', createdAt: '2001-02-01T00:00:01.000Z' };
    assert.deepEqual(await written(store, of, [recorded(0, late)]), ['stored']);
    assert.deepEqual(await other.write(of, [recorded(1, early)]), ['exists']);
    const both = [recorded(2, { ...late, id: 'b' }), recorded(3, { ...early, id: 'b' })];
    assert.deepEqual(await written(store, of, both), ['stored', 'exists']);
    assert.deepEqual(await scanAll(), [0, 2]);
  });

  it('keeps each month in an index of its own', async () => {
    const created = (createdAt: string): { createdAt: string } => ({ createdAt });
    await written(store, of, [
      recorded(0, created('1999-12-31T23:59:59.999Z')),
      recorded(1, created('2000-01-01T00:00:00.000Z')),
      recorded(2, created('no time')),
      recorded(3, created('1960-01-01T00:00:00.000Z')),
    ]);
    for (const [month, count] of [
      ['1999.12', 1],
      ['2000.01', 1],
      ['1970.01', 2],
    ] as const) {
      const found = await elasticsearch.count({ index: `${prefix}-${month}` });
      assert.equal(found.count, count, month);
    }
    assert.deepEqual(positionsOf((await search(10)).records), [3, 2, 1, 0]);
  });

  it('takes ids that are longer than its own, and knows them again', async () => {
    const ids = ['x', 'y'].map((end) => `${'\u{1F600}'.repeat(200)}${end}`);
    const records = ids.map((id, position) => recorded(position, { id }));
    assert.deepEqual(await store.write(of, records), ['stored', 'stored']);
    assert.deepEqual(await other.write(of, records), ['exists', 'exists']);
  });

  it('pages deep into a history of small and large events, and misses none', async () => {
    const large = { payload: { text: '\u{1F600}'.repeat(10_000) } };
    const records = recordedRange(0, 2_600).map((record) =>
      record.position % 500 === 7 ? recorded(record.position, large) : record,
    );
    await written(store, of, records);
    const found: number[] = [];
    for (let last: Position | undefined = END; last !== undefined;) {
      const page: Newest = await search(700, last);
      for (const record of page.records) {
        found.push(record.position);
        assert.deepEqual(Buffer.from(record.bytes), records[record.position]!.bytes);
      }
      last = page.next;
    }
    assert.deepEqual(found, range(0, 2_600).reverse());
    assert.deepEqual(await scanAll(), range(0, 2_600));
  });

  it('ends a page of large events before they fill the memory', async () => {
    const payload = { text: 'x'.repeat(4 * 1_024 * 1_024) };
    await written(store, of, recordedRange(0, 12, { payload }));
    const page = await search(12);
    assert.ok(page.records.length >= 8 && page.records.length < 12);
    assert.equal(page.next, page.records.at(-1)?.position);
  });
});
