import assert from 'node:assert/strict';
import { BEFORE_FIRST, Recorded, type Incarnation, type Position } from '../../src/event.js';
import { documentLeavesMax } from '../../src/projections/document.js';
import type { EventStore, Outcome } from '../../src/projections/store.js';
import { positionsOf, range } from '../commands/sealed.js';
import { END, newest } from '../projections/newest.js';
import { idsOf, incarnation, recorded, recordedRange, written } from '../projections/recorded.js';
import { aggregateContract } from './store.aggregate.contract.js';
import { orderContract } from './store.order.contract.js';
import { searchContract } from './store.search.contract.js';
import { lossesContract } from './store.losses.contract.js';
import { trimContract } from './store.trim.contract.js';

/** A store that is empty or not: a test makes workspaces of its own. */
export interface StoreUnderTest {
  readonly store: EventStore;
  /** Closes the store and opens it again, as a new process would. */
  readonly reopen: () => Promise<EventStore>;
  /** Closes the store and removes what is left. */
  readonly dispose: () => Promise<void>;
}

/** What every back end of the store promises. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the ${name} store`, () => {
    let subject: StoreUnderTest;
    let store: EventStore;
    let workspace: Incarnation;

    before(async () => {
      subject = await open();
      ({ store } = subject);
    });

    after(() => subject.dispose());

    beforeEach(() => {
      workspace = incarnation();
    });

    const searchAll = async (of = workspace): Promise<readonly Recorded[]> =>
      (await newest(store, of, { limit: 1_000 })).records;
    const scanAll = (of = workspace): Promise<readonly Recorded[]> =>
      store.scan(of, BEFORE_FIRST, END, Infinity);

    const write = (records: readonly Recorded[], of = workspace): Promise<readonly Outcome[]> =>
      written(store, of, records);

    describe('write', () => {
      it('makes searchable what it stores by the time the checkpoint is moved', async () => {
        for (const record of recordedRange(0, 20)) {
          assert.deepEqual(await write([record]), ['stored']);
          assert.equal((await searchAll())[0]?.position, record.position);
        }
      });

      it('keeps an id at the first position that it was written at', async () => {
        await write([recorded(0, { id: 'a' }), recorded(1, { id: 'b' })]);
        const again = [
          recorded(2, { id: 'b' }),
          recorded(3, { id: 'c' }),
          recorded(0, { id: 'a' }),
        ];
        assert.deepEqual(await write(again), ['exists', 'stored', 'exists']);
        assert.deepEqual(positionsOf(await scanAll()), [0, 1, 3]);
      });

      it('keeps the first of two records with one id in one batch', async () => {
        const twice = [
          recorded(0, { id: 'a' }),
          recorded(1, { id: 'b' }),
          recorded(2, { id: 'a' }),
        ];
        assert.deepEqual(await write(twice), ['stored', 'stored', 'exists']);
        assert.deepEqual(positionsOf(await scanAll()), [0, 1]);
      });

      it('takes the same batch again as often as it comes', async () => {
        await write(recordedRange(0, 5));
        const outcomes = await write(recordedRange(0, 5));
        assert.deepEqual(new Set(outcomes), new Set(['exists']));
        assert.deepEqual(positionsOf(await scanAll()), range(0, 5));
      });

      it('refuses what it cannot index, with the reason, and stores all the rest', async () => {
        const outcomes = await write([
          recorded(0),
          new Recorded(1 as Position, Buffer.from('{"id":"e1","type":')),
          new Recorded(2 as Position, Buffer.from('null')),
          new Recorded(3 as Position, Buffer.from('{"id":7,"type":"a"}')),
          recorded(4, { payload: { list: range(0, documentLeavesMax) } }),
          recorded(5, { payload: { list: range(0, documentLeavesMax - 10) } }),
        ]);
        const refused = outcomes.map((outcome) => typeof outcome === 'object');
        assert.deepEqual(refused, [false, true, true, true, true, false]);
        for (const outcome of outcomes) {
          assert.ok(typeof outcome === 'string' || outcome.refused.length > 0);
        }
        assert.deepEqual(positionsOf(await scanAll()), [0, 5]);
      });

      it('keeps the bytes of an event as they are', async () => {
        const payload = ` { "n":1.0,"u":"\\u00e9 \u{1F600}" }`;
        const spelled = ` {"payload":${payload},"source":{},"type":"t","id":"a"} `;
        await write([new Recorded(0 as Position, Buffer.from(spelled))]);
        for (const [found] of [await scanAll(), await searchAll()]) {
          assert.equal(Buffer.from(found!.bytes).toString(), spelled);
        }
      });

      it('takes no record as well as many', async () => {
        assert.deepEqual(await write([]), []);
        assert.equal((await write(recordedRange(0, 3_000))).length, 3_000);
        assert.equal((await scanAll()).length, 3_000);
      });
    });

    describe('checkpoint', () => {
      it('is before everything until it is first moved, whatever was written', async () => {
        assert.equal(await store.checkpoint(workspace), BEFORE_FIRST);
        await store.write(workspace, [recorded(0)]);
        assert.equal(await store.checkpoint(workspace), BEFORE_FIRST);
      });

      it('is where it was last moved to, also where nothing was written, never back', async () => {
        for (const [to, is] of [
          [BEFORE_FIRST, BEFORE_FIRST],
          [4, 4],
          [9, 9],
          [9, 9],
          [7, 9],
          [BEFORE_FIRST, 9],
        ] as const) {
          await store.advance(workspace, to as Position);
          assert.equal(await store.checkpoint(workspace), is);
        }
      });

      it('settles where it is, also before it was first moved', async () => {
        assert.equal(await store.settle(workspace), BEFORE_FIRST);
        await write(recordedRange(0, 3));
        await store.advance(workspace, 2 as Position);
        assert.equal(await store.settle(workspace), 2);
      });

      it('is moved for many workspaces at once', async () => {
        const many = range(0, 50).map(() => incarnation());
        await Promise.all(
          many.map(async (of, n) => {
            await store.write(of, [recorded(n)]);
            await store.advance(of, n as Position);
          }),
        );
        for (const [n, of] of many.entries()) {
          assert.equal(await store.checkpoint(of), n);
          assert.deepEqual(positionsOf(await searchAll(of)), [n]);
        }
      });
    });

    describe('scan', () => {
      const scan = async (after: number, until: number, limitBytes = Infinity): Promise<number[]> =>
        positionsOf(await store.scan(workspace, after as Position, until as Position, limitBytes));

      it('gives the records after one position up to another, in log order', async () => {
        await write([recorded(5), recorded(8), recorded(9)]);
        await write([recorded(2), recorded(3)]);
        assert.deepEqual(await scan(BEFORE_FIRST, END), [2, 3, 5, 8, 9]);
        assert.deepEqual(await scan(2, 8), [3, 5, 8]);
        assert.deepEqual(await scan(3, 4), []);
        assert.deepEqual(await scan(9, END), []);
        assert.deepEqual(await scan(8, 2), []);
      });

      it('keeps within the limit of bytes, but gives one record at least', async () => {
        const records = recordedRange(0, 9);
        const bytes = records[0]!.bytes.byteLength;
        await write(records);
        assert.deepEqual(await scan(BEFORE_FIRST, END, 3 * bytes), [0, 1, 2]);
        assert.deepEqual(await scan(BEFORE_FIRST, END, 3 * bytes - 1), [0, 1]);
        assert.deepEqual(await scan(4, END, 1), [5]);
      });

      it('gives nothing of a workspace of which nothing was written', async () => {
        assert.deepEqual(await scan(BEFORE_FIRST, END), []);
      });
    });

    describe('drop', () => {
      it('forgets the events and the checkpoint of one workspace and of no other', async () => {
        const other = incarnation();
        for (const each of [workspace, other]) {
          await write(recordedRange(0, 30), each);
          await store.advance(each, 29 as Position);
        }
        await store.drop(workspace);
        assert.deepEqual(await searchAll(), []);
        assert.deepEqual(await scanAll(), []);
        assert.equal(await store.checkpoint(workspace), BEFORE_FIRST);
        assert.equal((await searchAll(other)).length, 30);
        assert.deepEqual(positionsOf(await scanAll(other)), range(0, 30));
        assert.equal(await store.checkpoint(other), 29);
      });

      it('forgets the ids too, so that a workspace made again can have them', async () => {
        await write([recorded(0, { id: 'a' }), recorded(1, { id: 'b' })]);
        await store.drop(workspace);
        assert.deepEqual(await write([recorded(0, { id: 'b' })]), ['stored']);
        assert.deepEqual(idsOf(await searchAll()), ['b']);
      });

      it('has no effect where there is nothing', async () => {
        await store.drop(workspace);
        assert.deepEqual(await scanAll(), []);
      });
    });

    it('keeps incarnations of a workspace apart, and drops one without the other', async () => {
      const again = incarnation(workspace.id, 'hgfedcba');
      await write([recorded(0, { id: 'a' }), recorded(1, { id: 'b' })]);
      await store.advance(workspace, 1 as Position);
      assert.deepEqual(await write([recorded(0, { id: 'b' })], again), ['stored']);
      assert.equal(await store.checkpoint(again), BEFORE_FIRST);
      assert.deepEqual(idsOf(await searchAll(again)), ['b']);
      assert.deepEqual(idsOf(await searchAll()), ['b', 'a']);
      await store.drop(workspace);
      assert.deepEqual(idsOf(await searchAll(again)), ['b']);
      assert.deepEqual(idsOf(await scanAll(again)), ['b']);
      assert.deepEqual(await searchAll(), []);
    });

    it('writes in the order of the calls, though none waits for another', async () => {
      const outcomes = await Promise.all(
        range(0, 20).map((n) => store.write(workspace, [recorded(n, { id: 'same' })])),
      );
      assert.deepEqual(outcomes.flat(), ['stored', ...range(1, 20).map(() => 'exists')]);
      await store.advance(workspace, 19 as Position);
      assert.deepEqual(positionsOf(await scanAll()), [0]);
    });

    it('keeps workspaces apart that have the same ids and positions', async () => {
      const other = incarnation();
      await write([recorded(0, { type: 'a' }), recorded(1, { type: 'a' })]);
      assert.deepEqual(await write([recorded(0, { type: 'b' })], other), ['stored']);
      const typesOf = async (of: Incarnation): Promise<string[]> =>
        (await searchAll(of)).map(({ event }) => event.type);
      assert.deepEqual(await typesOf(workspace), ['a', 'a']);
      assert.deepEqual(await typesOf(other), ['b']);
      assert.deepEqual(positionsOf(await scanAll(workspace)), [0, 1]);
      assert.deepEqual(positionsOf(await scanAll(other)), [0]);
    });

    it('has everything when it is opened again', async () => {
      await write(recordedRange(0, 10));
      await store.advance(workspace, 9 as Position);
      store = await subject.reopen();
      assert.deepEqual(positionsOf(await searchAll()), range(0, 10).reverse());
      assert.deepEqual(positionsOf(await scanAll()), range(0, 10));
      assert.equal(await store.checkpoint(workspace), 9);
      assert.deepEqual(await write(recordedRange(9, 11)), ['exists', 'stored']);
    });

    searchContract(() => store);
    orderContract(() => store);
    aggregateContract(() => store);
    trimContract(() => store);
    lossesContract(() => store);
  });
}
