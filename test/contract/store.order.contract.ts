import assert from 'node:assert/strict';
import { nameOf, type Incarnation, type Json, type Position } from '../../src/event.js';
import { instant } from '../../src/instant.js';
import type { EventStore, Hit, SearchQuery, SortKey } from '../../src/projections/store.js';
import { parseFilter } from '../../src/queries/filter.js';
import { range } from '../commands/sealed.js';
import { END } from '../projections/newest.js';
import { incarnation, recorded, written } from '../projections/recorded.js';
import { oracle } from '../queries/filter.oracle.js';

type Order = Pick<SearchQuery, 'sort' | 'order'>;

const COUNT = 40;
const ORDERS: Order[] = (['position', 'time'] as const).flatMap((sort) =>
  (['newest', 'oldest'] as const).map((order) => ({ sort, order })),
);

/** Of some, no index tells all: the end is longer than what is looked up. */
const LONG_END = `${'ab'.repeat(40)}z`;
const FILTERS: Json[] = [
  {},
  { 'payload.n': { lt: 25 } },
  { type: 'odd' },
  { 'payload.end': { suffix: LONG_END } },
  { position: { gte: 7, lt: 30 } },
  { id: ['e3', 'e9', 'e8'] },
];

/** Neither in the order of positions nor all different; some before 1970, some no time at all. */
function timeOf(n: number): string {
  return n % 11 === 5 ? 'no time' : new Date(((n * 7) % 10) * 1_000 - 3_000).toISOString();
}

function hitOf(of: Incarnation, n: number, size = 0): Hit {
  const record = recorded(n, {
    type: n % 2 === 1 ? 'odd' : 'even',
    time: timeOf(n),
    payload: { n, ...(n % 3 === 0 && { end: LONG_END }), text: 'x'.repeat(size) },
  });
  return { of, record };
}

function keyOf({ of, record }: Hit, { sort }: Order): SortKey {
  const time = sort === 'time' ? instant(record.event.time) || 0 : 0;
  return { time, of: nameOf(of), position: record.position };
}

/** What a page is, read from the contract: all of them sorted, those behind a place. */
function expected(hits: readonly Hit[], asked: Order, after?: SortKey): Hit[] {
  const compare = (a: SortKey, b: SortKey): number => {
    const names = a.of < b.of ? -1 : 1;
    const oldest = a.time - b.time || (a.of === b.of ? a.position - b.position : names);
    return asked.order === 'oldest' ? oldest : -oldest;
  };
  return hits
    .filter((hit) => !after || compare(keyOf(hit, asked), after) > 0)
    .toSorted((a, b) => compare(keyOf(a, asked), keyOf(b, asked)));
}

/** What every back end of the store promises of the order of a search. */
export function orderContract(storeOf: () => EventStore): void {
  describe('search in an order', () => {
    const search = (
      query: Omit<SearchQuery, 'filter' | 'last'> & { filter?: Json; last?: number },
    ) => storeOf().search({ last: END, ...query, filter: parseFilter(query.filter ?? {}) });
    const placesOf = (hits: readonly Hit[]): string[] =>
      hits.map(({ of, record }) => `${nameOf(of)} ${record.position}`);

    async function history(of: Incarnation, numbers: readonly number[], size = 0): Promise<Hit[]> {
      const hits = numbers.map((n) => hitOf(of, n, n % 13 === 4 ? size : 0));
      await written(
        storeOf(),
        of,
        hits.map(({ record }) => record),
      );
      return hits;
    }

    async function assertPaged(
      of: readonly Incarnation[],
      hits: readonly Hit[],
      asked: Order,
    ): Promise<void> {
      for (const filter of FILTERS) {
        const matching = hits.filter(({ record }) => oracle(filter, record.event, record.position));
        for (const limit of [1, 7, COUNT * of.length]) {
          const found: Hit[] = [];
          for (let after: SortKey | undefined, more = true; more;) {
            const page = await search({ of, filter, limit, ...asked, ...(after && { after }) });
            found.push(...page.hits);
            more = page.more;
            after = more ? keyOf(page.hits.at(-1)!, asked) : undefined;
            assert.ok(page.hits.length === limit || !more);
          }
          const what = JSON.stringify({ filter, limit, ...asked });
          assert.deepEqual(placesOf(found), placesOf(expected(matching, asked)), what);
          for (const { of: own, record } of found) {
            const one = hits.find(
              (hit) => hit.of === own && hit.record.position === record.position,
            );
            assert.deepEqual(Buffer.from(record.bytes), one!.record.bytes);
          }
        }
      }
    }

    for (const asked of ORDERS) {
      it(`pages through all matches: the ${asked.order} by ${asked.sort}`, async function () {
        this.timeout(30_000);
        const of = incarnation();
        await history(incarnation(), range(0, 5));
        // Some of them are larger than what is kept together with others.
        const hits = await history(of, range(0, COUNT), 20_000);
        await assertPaged([of], hits, asked);
      });

      it(`begins behind a place, the ${asked.order} by ${asked.sort}`, async () => {
        const of = incarnation();
        const hits = await history(
          of,
          range(0, COUNT).filter((n) => n % 2 === 0),
        );
        for (const [time, position] of [
          [0, 11],
          [1_000, 3],
          [1_500, 12],
          [-9_999, 12],
          [99_999, 12],
        ] as const) {
          const place = { time, of: nameOf(of), position: position as Position };
          const after = { ...place, ...(asked.sort === 'position' && { time: 0 }) };
          const page = await search({ of: [of], limit: COUNT, ...asked, after });
          assert.deepEqual(placesOf(page.hits), placesOf(expected(hits, asked, after)));
        }
      });

      it(`ends at the watermark, the ${asked.order} by ${asked.sort}`, async () => {
        const of = incarnation();
        const hits = await history(of, range(0, COUNT));
        for (const last of [-1, 0, 17]) {
          const page = await search({ of: [of], limit: COUNT, ...asked, last });
          const before = hits.filter(({ record }) => record.position <= last);
          assert.deepEqual(placesOf(page.hits), placesOf(expected(before, asked)));
        }
      });
    }

    for (const order of ['newest', 'oldest'] as const) {
      it(`goes through several workspaces at once, the ${order} by time`, async function () {
        this.timeout(60_000);
        const of = range(0, 3).map(() => incarnation());
        await history(incarnation(), range(0, 5));
        const hits = (
          await Promise.all(of.map((one, index) => history(one, range(0, 10 + 15 * index))))
        ).flat();
        const asked = { sort: 'time', order } as const;
        await assertPaged([...of, incarnation()], hits, asked);
        for (const after of hits.slice(0, 12).map((hit) => keyOf(hit, asked))) {
          const page = await search({ of, limit: 5, ...asked, after, last: Infinity });
          const behind = expected(hits, asked, after);
          assert.deepEqual(placesOf(page.hits), placesOf(behind.slice(0, 5)));
        }
      });
    }

    it('is given up when who asked has left', async () => {
      const of = incarnation();
      await history(of, range(0, COUNT));
      const leave = new AbortController();
      const reason = new Error('left');
      for (const asked of ORDERS) {
        const query = { of: [of], limit: COUNT, ...asked };
        const left = AbortSignal.abort(reason);
        await assert.rejects(search({ ...query, signal: left }), reason);
        assert.equal((await search({ ...query, signal: leave.signal })).hits.length, COUNT);
      }
      const searching = ORDERS.map((asked) =>
        search({ of: [of], limit: COUNT, ...asked, signal: leave.signal }),
      );
      leave.abort(reason);
      for (const one of searching) {
        await assert.rejects(one, reason);
      }
    });
  });
}
