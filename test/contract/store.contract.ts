import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { BEFORE_FIRST, Recorded, type Position } from '../../src/event.js';
import { documentLeavesMax } from '../../src/projections/document.js';
import type { EventStore } from '../../src/projections/store.js';
import { EVERYTHING } from '../../src/queries/filter.js';
import { positionsOf, range } from '../commands/sealed.js';
import { idsOf, recorded, recordedRange } from '../projections/recorded.js';
import { searchContract } from './store.search.contract.js';

/** A store that is empty or not: a test makes workspaces of its own. */
export interface StoreUnderTest {
  readonly store: EventStore;
  /** Closes the store and opens it again, as a new process would. */
  readonly reopen: () => Promise<EventStore>;
  /** Closes the store and removes what is left. */
  readonly dispose: () => Promise<void>;
}

const END = Number.MAX_SAFE_INTEGER as Position;
const EPOCH = 'abcdefgh';

/** What every back end of the store promises. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the ${name} store`, () => {
    let subject: StoreUnderTest;
    let store: EventStore;
    let workspace: string;

    before(async () => {
      subject = await open();
      ({ store } = subject);
    });

    after(() => subject.dispose());

    beforeEach(() => {
      workspace = `w-${randomUUID()}`;
    });

    const searchAll = async (of = workspace): Promise<readonly Recorded[]> =>
      (await store.search({ workspace: of, filter: EVERYTHING, limit: 1_000 })).records;
    const scanAll = (of = workspace): Promise<readonly Recorded[]> =>
      store.scan(of, BEFORE_FIRST, END, Infinity);

    describe('write', () => {
      it('makes searchable what it stores by the time it resolves', async () => {
        for (const record of recordedRange(0, 20)) {
          assert.deepEqual(await store.write(workspace, [record]), ['stored']);
          assert.equal((await searchAll())[0]?.position, record.position);
        }
      });

      it('keeps an id at the first position that it was written at', async () => {
        await store.write(workspace, [recorded(0, { id: 'a' }), recorded(1, { id: 'b' })]);
        const again = [
          recorded(2, { id: 'b' }),
          recorded(3, { id: 'c' }),
          recorded(0, { id: 'a' }),
        ];
        assert.deepEqual(await store.write(workspace, again), ['exists', 'stored', 'exists']);
        assert.deepEqual(positionsOf(await scanAll()), [0, 1, 3]);
      });

      it('keeps the first of two records with one id in one batch', async () => {
        const twice = [
          recorded(0, { id: 'a' }),
          recorded(1, { id: 'b' }),
          recorded(2, { id: 'a' }),
        ];
        assert.deepEqual(await store.write(workspace, twice), ['stored', 'stored', 'exists']);
        assert.deepEqual(positionsOf(await scanAll()), [0, 1]);
      });

      it('takes the same batch again as often as it comes', async () => {
        await store.write(workspace, recordedRange(0, 5));
        const outcomes = await store.write(workspace, recordedRange(0, 5));
        assert.deepEqual(new Set(outcomes), new Set(['exists']));
        assert.deepEqual(positionsOf(await scanAll()), range(0, 5));
      });

      it('refuses what it cannot index, with the reason, and stores all the rest', async () => {
        const outcomes = await store.write(workspace, [
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
        await store.write(workspace, [new Recorded(0 as Position, Buffer.from(spelled))]);
        for (const [found] of [await scanAll(), await searchAll()]) {
          assert.equal(Buffer.from(found!.bytes).toString(), spelled);
        }
      });

      it('takes no record as well as many', async () => {
        assert.deepEqual(await store.write(workspace, []), []);
        assert.equal((await store.write(workspace, recordedRange(0, 3_000))).length, 3_000);
        assert.equal((await scanAll()).length, 3_000);
      });
    });

    describe('checkpoint', () => {
      it('is unknown until it is first moved, whatever was written', async () => {
        assert.equal(await store.checkpoint(workspace), undefined);
        await store.write(workspace, [recorded(0)]);
        assert.equal(await store.checkpoint(workspace), undefined);
      });

      it('is where it was last moved to, also where nothing was written', async () => {
        const moves = [
          { epoch: EPOCH, position: 4 as Position },
          { epoch: EPOCH, position: 9 as Position },
          { epoch: 'hgfedcba', position: BEFORE_FIRST },
        ];
        for (const checkpoint of moves) {
          await store.advance(workspace, checkpoint);
          assert.deepEqual(await store.checkpoint(workspace), checkpoint);
        }
      });
    });

    describe('scan', () => {
      const scan = async (after: number, until: number, limitBytes = Infinity): Promise<number[]> =>
        positionsOf(await store.scan(workspace, after as Position, until as Position, limitBytes));

      it('gives the records after one position up to another, in log order', async () => {
        await store.write(workspace, [recorded(5), recorded(8), recorded(9)]);
        await store.write(workspace, [recorded(2), recorded(3)]);
        assert.deepEqual(await scan(BEFORE_FIRST, END), [2, 3, 5, 8, 9]);
        assert.deepEqual(await scan(2, 8), [3, 5, 8]);
        assert.deepEqual(await scan(3, 4), []);
        assert.deepEqual(await scan(9, END), []);
        assert.deepEqual(await scan(8, 2), []);
      });

      it('keeps within the limit of bytes, but gives one record at least', async () => {
        const records = recordedRange(0, 9);
        const bytes = records[0]!.bytes.byteLength;
        await store.write(workspace, records);
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
        const other = `w-${randomUUID()}`;
        for (const each of [workspace, other]) {
          await store.write(each, recordedRange(0, 30));
          await store.advance(each, { epoch: EPOCH, position: 29 as Position });
        }
        await store.drop(workspace);
        assert.deepEqual(await searchAll(), []);
        assert.deepEqual(await scanAll(), []);
        assert.equal(await store.checkpoint(workspace), undefined);
        assert.equal((await searchAll(other)).length, 30);
        assert.deepEqual(positionsOf(await scanAll(other)), range(0, 30));
        assert.equal((await store.checkpoint(other))?.position, 29);
      });

      it('forgets the ids too, so that a workspace made again can have them', async () => {
        await store.write(workspace, [recorded(0, { id: 'a' }), recorded(1, { id: 'b' })]);
        await store.drop(workspace);
        assert.deepEqual(await store.write(workspace, [recorded(0, { id: 'b' })]), ['stored']);
        assert.deepEqual(idsOf(await searchAll()), ['b']);
      });

      it('has no effect where there is nothing', async () => {
        await store.drop(workspace);
        assert.deepEqual(await scanAll(), []);
      });
    });

    it('keeps workspaces apart that have the same ids and positions', async () => {
      const other = `w-${randomUUID()}`;
      await store.write(workspace, [recorded(0, { type: 'a' }), recorded(1, { type: 'a' })]);
      assert.deepEqual(await store.write(other, [recorded(0, { type: 'b' })]), ['stored']);
      const typesOf = async (of: string): Promise<string[]> =>
        (await searchAll(of)).map(({ event }) => event.type);
      assert.deepEqual(await typesOf(workspace), ['a', 'a']);
      assert.deepEqual(await typesOf(other), ['b']);
      assert.deepEqual(positionsOf(await scanAll(workspace)), [0, 1]);
      assert.deepEqual(positionsOf(await scanAll(other)), [0]);
    });

    it('has everything when it is opened again', async () => {
      await store.write(workspace, recordedRange(0, 10));
      await store.advance(workspace, { epoch: EPOCH, position: 9 as Position });
      store = await subject.reopen();
      assert.deepEqual(positionsOf(await searchAll()), range(0, 10).reverse());
      assert.deepEqual(positionsOf(await scanAll()), range(0, 10));
      const checkpoint = await store.checkpoint(workspace);
      assert.deepEqual(checkpoint, { epoch: EPOCH, position: 9 });
      assert.deepEqual(await store.write(workspace, recordedRange(9, 11)), ['exists', 'stored']);
    });

    searchContract(() => store);
  });
}
