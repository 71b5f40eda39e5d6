import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  BEFORE_FIRST,
  type Incarnation,
  type Json,
  type Position,
  type Recorded,
} from '../../src/event.js';
import type { EventStore } from '../../src/projections/store.js';
import { positionsOf, range } from '../commands/sealed.js';
import { newest, type Newest } from '../projections/newest.js';
import { idsOf, incarnation, recorded, recordedRange, written } from '../projections/recorded.js';
import { filterArbitrary, recordsArbitrary } from '../queries/filter.arbitrary.js';
import { oracle } from '../queries/filter.oracle.js';
import { table } from '../queries/filter.table.js';

/** Filters and events for each run of random ones; every filter meets every event. */
const RUNS = 10;
const FILTERS = 40;
const EVENTS = 60;

/** Which of five events, `e0` to `e4`, each operator finds. */
const EVENTS_OF_OPERATORS = [
  recorded(0, { type: 'order.paid', payload: { city: 'Paris', total: 10 } }),
  recorded(1, { type: 'order.created', payload: { city: 'Lyon', total: 12.5 } }),
  recorded(2, { type: 'user.created', payload: { name: 'Ada Lovelace' }, target: { topic: 'x' } }),
  recorded(3, { time: '2001-02-01T00:00:00Z', payload: { city: ['Lyon', 'Nice'], total: '12.5' } }),
  recorded(4, { createdAt: '2001-03-01T00:00:00.000Z', payload: { total: -3, late: true } }),
];
const OPERATORS: [Json, number[]][] = [
  [{}, [0, 1, 2, 3, 4]],
  [{ $not: {} }, []],
  [{ 'payload.city': 'Lyon' }, [1, 3]],
  [{ 'payload.city': ['Paris', 'Nice'] }, [0, 3]],
  [{ 'payload.city': { ne: 'Lyon' } }, [0, 2, 4]],
  [{ 'payload.city': null }, [2, 4]],
  [{ 'payload.city': { exists: true } }, [0, 1, 3]],
  [{ 'payload.city': 'Pa*' }, [0]],
  [{ 'payload.city': '*on' }, [1, 3]],
  [{ 'payload.city': { gt: 'Lyon' } }, [0, 3]],
  [{ 'payload.total': 12.5 }, [1, 3]],
  [{ 'payload.total': { gt: 10 } }, [1]],
  [{ 'payload.total': { gte: 10, lt: 12.5 } }, [0]],
  [{ 'payload.total': { lte: 10 } }, [0, 4]],
  [{ 'payload.late': true }, [4]],
  [{ type: 'order.paid' }, [0]],
  [{ type: 'order.*' }, [0, 1]],
  [{ type: '*.created' }, [1, 2]],
  [{ id: 'e3' }, [3]],
  [{ id: ['e3', 'e0', 'none'] }, [0, 3]],
  [{ id: 'e*' }, [0, 1, 2, 3, 4]],
  [{ time: { gte: '2001-01-16' } }, [3]],
  [{ time: '2001-02-01T01:00:00+01:00' }, [3]],
  [{ createdAt: { lt: '2001-02-01' } }, [0, 1, 2, 3]],
  [{ position: { gte: 1, lt: 3 } }, [1, 2]],
  [{ position: [0, 4] }, [0, 4]],
  [{ 'target.topic': 'x' }, [2]],
  [{ 'source.userId': null }, [0, 1, 2, 3, 4]],
  [{ $text: 'ada' }, [2]],
  [{ $text: 'LOVE* ada' }, [2]],
  [{ $text: 'l*' }, [1, 2, 3]],
  [{ $text: 'ada*' }, [2]],
  [{ $text: 'nice*' }, [3]],
  [{ type: 'order.*', 'payload.city': 'Lyon' }, [1]],
  [
    [{ type: 'order.paid' }, { 'payload.late': true }],
    [0, 4],
  ],
  [{ $or: [{ id: 'e1' }, { position: { gt: 3 } }] }, [1, 4]],
  [{ $not: { 'payload.total': { gte: 10 } }, id: ['e0', 'e4'] }, [4]],
];

/** What every back end of the store promises of a search. */
export function searchContract(storeOf: () => EventStore): void {
  describe('search', () => {
    let workspace: Incarnation;

    beforeEach(() => {
      workspace = incarnation();
    });

    const search = (
      filter: Json,
      parts: { limit?: number; before?: Position } = {},
    ): Promise<Newest> => newest(storeOf(), workspace, { filter, ...parts });
    const write = (records: readonly Recorded[]) => written(storeOf(), workspace, records);
    async function* pages(filter: Json, limit: number): AsyncGenerator<Newest> {
      let page = await search(filter, { limit });
      yield page;
      while (page.next !== undefined) {
        page = await search(filter, { limit, before: page.next });
        assert.ok(page.records.length > 0 && page.records.length <= limit);
        yield page;
      }
    }

    it('gives the newest first, whenever they were written', async () => {
      await write([recorded(7), recorded(9)]);
      await write([recorded(8), recorded(1)]);
      assert.deepEqual(positionsOf((await search({})).records), [9, 8, 7, 1]);
    });

    it('gives as many as asked for, and tells whether there are more', async () => {
      await write(recordedRange(0, 10));
      const all = await search({}, { limit: 10 });
      assert.deepEqual([all.records.length, all.next], [10, undefined]);
      const some = await search({}, { limit: 9 });
      assert.deepEqual([positionsOf(some.records), some.next], [range(1, 10).reverse(), 1]);
      const odd = await search({ position: [1, 3, 5] }, { limit: 3 });
      assert.deepEqual([positionsOf(odd.records), odd.next], [[5, 3, 1], undefined]);
    });

    it('gives only what is before a position', async () => {
      await write(recordedRange(0, 10));
      const page = await search({}, { before: 3 as Position });
      assert.deepEqual(positionsOf(page.records), [2, 1, 0]);
      assert.deepEqual((await search({}, { before: 0 as Position })).records, []);
    });

    it('neither repeats nor misses one from page to page, while more is written', async () => {
      await write(recordedRange(0, 50));
      const found: number[] = [];
      let written = 50;
      for await (const page of pages({}, 7)) {
        found.push(...positionsOf(page.records));
        await write(recordedRange(written, written + 10));
        written += 10;
      }
      assert.deepEqual(found, range(0, 50).reverse());
    });

    it('gives nothing of a workspace of which nothing was written', async () => {
      const { records, next } = await search({});
      assert.deepEqual([records, next], [[], undefined]);
    });

    it('has found, while written to, all that the checkpoint before vouches for', async () => {
      let count = 0;
      const writing = (async (): Promise<void> => {
        for (; count < 400; count += 10) {
          await storeOf().write(workspace, recordedRange(count, count + 10));
          await storeOf().advance(workspace, (count + 9) as Position);
        }
      })();
      while (count < 400) {
        const checkpoint = await storeOf().checkpoint(workspace);
        const { records } = await search({}, { limit: 1_000 });
        assert.ok((records[0]?.position ?? BEFORE_FIRST) >= checkpoint);
        assert.equal(new Set(positionsOf(records)).size, records.length);
      }
      await writing;
    });

    it('finds exactly the events that each operator asks for', async () => {
      await write(EVENTS_OF_OPERATORS);
      for (const [filter, expected] of OPERATORS) {
        const { records } = await search(filter);
        assert.deepEqual(positionsOf(records), expected.toReversed(), JSON.stringify(filter));
      }
    });

    for (const [subject, rows] of Object.entries(table)) {
      it(`means the same by ${subject} as the predicate`, async () => {
        for (const [policy, filter, matching, others] of rows) {
          workspace = incarnation();
          await write([...matching, ...others].map((payload, at) => recorded(at, { payload })));
          const { records } = await search(filter);
          assert.deepEqual(positionsOf(records), range(0, matching.length).reverse(), policy);
        }
      });
    }

    it('gives for random filters what a naive reading of them gives', async function () {
      this.timeout(60_000);
      const filters = fc.array(filterArbitrary, { minLength: FILTERS, maxLength: FILTERS });
      const meets = fc.asyncProperty(filters, recordsArbitrary(EVENTS), async (all, records) => {
        workspace = incarnation();
        await write(records);
        for (const filter of all) {
          const expected = records.filter(({ event, position }) => oracle(filter, event, position));
          const found: number[] = [];
          for await (const page of pages(filter, 25)) {
            found.push(...positionsOf(page.records));
          }
          assert.deepEqual(found, positionsOf(expected).reverse(), JSON.stringify(filter));
        }
      });
      await fc.assert(meets, { numRuns: RUNS });
    });

    it('finds one event by its id', async () => {
      await write(recordedRange(0, 300));
      assert.deepEqual(idsOf((await search({ id: 'e123' }, { limit: 1 })).records), ['e123']);
    });
  });
}
