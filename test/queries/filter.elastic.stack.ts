import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Json, Position, Recorded } from '../../src/event.js';
import { openSqliteStore } from '../../src/projections/store.sqlite.js';
import type { EventStore } from '../../src/projections/store.js';
import { translate } from '../../src/queries/filter.elastic.js';
import { filterDepthMax, parseFilter } from '../../src/queries/filter.js';
import { compile } from '../../src/queries/filter.predicate.js';
import { positionsOf } from '../commands/sealed.js';
import { elasticsearch, newPrefix, openStore, removeIndices } from '../projections/elastic.js';
import { newest } from '../projections/newest.js';
import { incarnation, recorded, written } from '../projections/recorded.js';
import { filterArbitrary, recordsArbitrary } from './filter.arbitrary.js';
import { oracle } from './filter.oracle.js';

const FILTERS = 2_000;
const EVENTS = 2_000;
/** In one request to Elasticsearch. */
const AT_ONCE = 50;

describe('The filter as a query of Elasticsearch', function () {
  this.timeout(300_000);

  const prefix = newPrefix();
  let store: EventStore;

  before(() => {
    store = openStore(prefix);
  });

  after(async () => {
    await store.close();
    await removeIndices(prefix);
  });

  it('means, for thousands of random filters and events, what all others mean', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'filter-'));
    const embedded = await openSqliteStore(folder);
    try {
      const seed = Date.now();
      const [records] = fc.sample(recordsArbitrary(EVENTS), { seed, numRuns: 1 });
      const filters = fc.sample(filterArbitrary, { seed, numRuns: FILTERS });
      const of = incarnation();
      await written(store, of, records!);
      await written(embedded, of, records!);
      let matches = 0;
      for (let first = 0; first < filters.length; first += AT_ONCE) {
        const some = filters.slice(first, first + AT_ONCE);
        const [found, pages] = await Promise.all([
          searchAll(some, records!),
          Promise.all(some.map((json) => newest(embedded, of, { filter: json, limit: EVENTS }))),
        ]);
        for (const [at, json] of some.entries()) {
          const what = `${JSON.stringify(json)} of seed ${seed}`;
          const filter = parseFilter(json);
          const expected = records!.filter((one) => oracle(json, one.event, one.position));
          assert.deepEqual(records!.filter(compile(filter)), expected, what);
          const positions = positionsOf(expected).reverse();
          assert.deepEqual(found[at], positions, what);
          assert.deepEqual(positionsOf(pages[at]!.records), positions, what);
          matches += positions.length;
        }
      }
      const share = matches / (FILTERS * EVENTS);
      assert.ok(share > 0.1 && share < 0.9, `${share} of all pairs match`);
    } finally {
      await embedded.close();
      rmSync(folder, { recursive: true });
    }
  });

  /** The positions that each filter finds, newest first; checked where the index is not exact. */
  async function searchAll(filters: Json[], records: readonly Recorded[]): Promise<number[][]> {
    const translated = filters.map((json) => translate(parseFilter(json)));
    const { responses } = await elasticsearch.msearch({
      searches: translated.flatMap(({ query }) => [
        { index: prefix },
        { query, sort: [{ position: 'desc' }], size: EVENTS, _source: false },
      ]),
      // Without the status, a response without hits would be left out altogether.
      filter_path: 'responses.status,responses.error,responses.hits.hits.sort',
    });
    return responses.map((response: any, at) => {
      assert.equal(response.error, undefined, JSON.stringify(filters[at]));
      const hits: { sort: [number] }[] = response.hits?.hits ?? [];
      const positions = hits.map(({ sort: [position] }) => position);
      if (translated[at]!.exact) {
        return positions;
      }
      const matching = records.filter(compile(parseFilter(filters[at]!)));
      const all = new Set(positionsOf(matching));
      assert.ok([...all].every((position) => positions.includes(position)));
      return positions.filter((position) => all.has(position as Position));
    });
  }

  /** Which of the payloads a filter finds, by their places. */
  async function found(payloads: Json[], filters: Json[]): Promise<number[][]> {
    const of = incarnation();
    await written(
      store,
      of,
      payloads.map((a, position) => recorded(position, { payload: { a } })),
    );
    return Promise.all(
      filters.map(async (json) => {
        const page = await newest(store, of, { filter: json });
        return positionsOf(page.records).reverse();
      }),
    );
  }

  it('tells texts apart that are longer than a term', async () => {
    const x = (length: number): string => 'x'.repeat(length);
    const payloads = [x(1_023), x(1_024), x(1_025), `${x(1_024)}y`, `${x(1_023)}\u{1F600}z`];
    payloads.push(`a${x(40_000)}b`);
    const expected: [Json, number[]][] = [
      [x(1_024), [1]],
      [{ prefix: x(1_024) }, [1, 2, 3]],
      [{ prefix: x(1_023) }, [0, 1, 2, 3, 4]],
      [{ suffix: x(1_024) }, [1, 2]],
      [{ suffix: `${x(1_022)}b` }, [5]],
      [{ suffix: `${x(60)}b` }, [5]],
      [{ suffix: 'y' }, [3]],
      [{ suffix: '\u{1F600}z' }, [4]],
      [{ gt: x(1_024) }, [2, 3, 4]],
      [{ gt: x(1_023), lt: `${x(1_023)}y` }, [1, 2, 3]],
      [{ gte: `${x(1_023)}y` }, [4]],
      [{ lt: 'b' }, [5]],
      [{ exists: true }, [0, 1, 2, 3, 4, 5]],
    ];
    const filters = expected.map(([condition]) => ({ 'payload.a': condition }));
    const places = await found(payloads, filters);
    for (const [at, [condition, wanted]] of expected.entries()) {
      assert.deepEqual(places[at], wanted, JSON.stringify(condition));
    }
  });

  it('checks what it finds by an end that is too long for a pattern', async () => {
    const end = (first: string): string => `${first}${'ab'.repeat(60)}`;
    const payloads = [end('x'), end('y'), [end('x'), end('y')], 'ab'];
    const ends = { 'payload.a': { suffix: end('x') } };
    assert.deepEqual(await found(payloads, [ends, { $not: ends }]), [
      [0, 2],
      [1, 3],
    ]);
    const long = { suffix: '\u{1F600}'.repeat(512) };
    assert.deepEqual(await found(['\u{1F600}'.repeat(600), '\u{1F600}'], [{ 'payload.a': long }]), [
      [0],
    ]);
  });

  it('takes a filter as deep and as wide as there may be', async () => {
    let deep: Json = { 'payload.a': 1, type: 'test.*' };
    for (let depth = 1; depth < filterDepthMax; depth++) {
      deep = depth % 2 === 0 ? { $not: deep } : [deep, { 'payload.b': depth }];
    }
    const words = Array.from({ length: 64 }, (_, at) => `w${at}*`).join(' ');
    const values = Array.from({ length: 100 }, (_, at) => `${'v'.repeat(1_000)}${at}`);
    const [key, text] = ['k'.repeat(1_024 - 'payload.a.'.length), 'x'.repeat(1_024)];
    const field = `payload.a.${key}`;
    const filters = [
      deep,
      { $text: words },
      { 'payload.a': values },
      { [field]: { prefix: text, suffix: text, gte: text, eq: text } },
    ];
    assert.deepEqual(await found([1, words, { [key]: text }], filters), [[1, 2], [1], [], [2]]);
  });
});
