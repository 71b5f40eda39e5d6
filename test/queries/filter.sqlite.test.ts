import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { Recorded, type Json, type JsonObject } from '../../src/event.js';
import { keyOf, openFile } from '../../src/projections/store.sqlite.file.js';
import { tokensOf } from '../../src/projections/tokens.sqlite.js';
import { parseFilter } from '../../src/queries/filter.js';
import { compile } from '../../src/queries/filter.predicate.js';
import { planOf, type Plan } from '../../src/queries/filter.sqlite.js';
import { recorded } from '../projections/recorded.js';

const WORKSPACE = 3;
const plan = (filter: Json): Plan => planOf(parseFilter(filter), WORKSPACE);

/** Whether the plan of a filter of one condition comes upon an event. */
function admits(filter: Json, payload: JsonObject): boolean {
  const tokens = tokensOf(WORKSPACE, 0, { ...recorded(0).event, payload }).split(' ');
  const terms = plan(filter).match!.replace(/[()]/g, '').split(' OR ');
  return terms.some((term) => tokens.includes(term));
}

describe('The plan of a search', () => {
  let flights: Recorded[];
  let file: Database.Database;

  before(() => {
    flights = readFlights();
    file = openFile(':memory:', false);
    const insert = file.prepare('INSERT INTO tokens (rowid, text) VALUES (?, ?)');
    file.transaction(() => {
      for (const { position, event } of flights) {
        insert.run(keyOf(WORKSPACE, position), tokensOf(WORKSPACE, position, event));
      }
    })();
  });

  after(() => {
    file.close();
  });

  const countOf = (match: string): number =>
    file
      .prepare<[string], number>('SELECT count(*) FROM tokens WHERE tokens MATCH ?')
      .pluck()
      .get(match)!;
  const candidates = (filter: Json, of = WORKSPACE): number =>
    countOf(planOf(parseFilter(filter), of).match!);

  /** A filter, and how many times as many candidates as matches the index may give. */
  const narrow: [string, Json, number][] = [
    ['a value', { 'payload.origin': 'DTW' }, 1],
    ['a list of values', { 'payload.origin': ['DTW', 'LAS'] }, 1],
    ['a number as a value', { 'payload.delay': 66 }, 1],
    ['a value of source', { 'source.userId': 'u7' }, 1],
    ['two values', { 'payload.origin': 'DTW', 'payload.destination': 'LAS' }, 1],
    ['either of two values', [{ 'payload.origin': 'DTW' }, { 'payload.destination': 'LAS' }], 1],
    ['a start of one character', { 'payload.origin': 'D*' }, 1],
    ['a start of three characters', { 'payload.origin': 'DTW*' }, 1],
    ['a month', { 'payload.date': '2001/02/*' }, 1],
    ['a day', { 'payload.date': '2001/02/01*' }, 40],
    ['an end', { 'payload.destination': '*AS' }, 1],
    ['a lower bound', { 'payload.delay': { gte: 120 } }, 1.1],
    ['a range of numbers', { 'payload.distance': { gt: 500, lt: 1_000 } }, 1.1],
    ['a range around zero', { 'payload.delay': { gte: -1, lte: 1 } }, 1.1],
    ['a type', { type: 'flight.late.DTW' }, 1],
    ['a start of a type', { type: 'flight.late.*' }, 1],
    ['a range of times', { time: { gte: '2001-02-01', lt: '2001-02-02' } }, 1.1],
    ['an hour', { createdAt: { gte: '2001-02-01T10:00:00Z', lt: '2001-02-01T11:00:00Z' } }, 1.1],
    ['a word', { $text: 'dtw' }, 1],
    ['a start of a word', { $text: 'dt*' }, 1],
    ['one side of an AND', { 'payload.origin': 'DTW', 'payload.delay': { ne: 3 } }, 2],
    ['a field that is rare', { 'payload.note': { exists: true } }, 1],
    ['text beyond a bound, where the field is rare', { 'payload.note': { gt: 'a' } }, 1],
  ];

  for (const [what, filter, factor] of narrow) {
    it(`looks at few others where it looks for ${what}`, () => {
      const matches = flights.filter(compile(parseFilter(filter))).length;
      assert.ok(matches > 0);
      const looked = candidates(filter);
      assert.ok(looked >= matches && looked <= factor * matches, `${looked} for ${matches}`);
    });
  }

  it('finds nothing at once where nothing can be found', () => {
    const vain = [
      { $not: {} },
      { 'payload.origin': 'none' },
      { 'payload.delay': { gt: 3, lt: 1 } },
      { time: { gte: '2002-01-01', lt: '2001-01-01' } },
      { 'payload.none': { prefix: '' } },
      { payload: 'no object equals a text' },
    ];
    assert.deepEqual(
      vain.map((filter) => candidates(filter)),
      vain.map(() => 0),
    );
  });

  it('finds values at the very edge of a cell, and words that are all of a prefix', () => {
    const edges: [Json, Json][] = [
      [-0, { gte: 0 }],
      [-0, { lte: -0 }],
      [1, { gte: 1, lte: 1 }],
      [1.0625, { lt: 1.06251 }],
      [Number.MAX_VALUE, { gt: 1e308 }],
      [-Number.MAX_VALUE, { lt: -1e308 }],
      ['ab', { prefix: 'ab' }],
      ['abc', { prefix: 'abc' }],
      ['ab', { suffix: 'ab' }],
    ];
    for (const [value, condition] of edges) {
      assert.ok(admits({ 'payload.a': condition }, { a: value }), JSON.stringify(condition));
    }
    for (const word of ['ab', 'abcd', '\u{20000}b']) {
      assert.ok(admits({ $text: `${word}*` }, { a: word }), word);
    }
  });

  it('never comes upon the events of another workspace', () => {
    assert.equal(candidates({ 'payload.origin': 'DTW' }, WORKSPACE + 1), 0);
  });

  it('leaves to the predicate what a coarse index cannot tell', () => {
    const open: Json[] = [
      {},
      { 'payload.origin': { ne: 'DTW' } },
      { $not: [{ 'payload.origin': 'DTW' }, { $text: 'las' }] },
      [{ 'payload.origin': 'DTW' }, { 'payload.delay': null }],
      { type: '*.late' },
      { id: 'e*' },
    ];
    assert.deepEqual(
      open.map((filter) => plan(filter).match),
      open.map(() => undefined),
    );
  });

  it('looks up ids, and positions as a range', () => {
    const { ids, first, last } = plan({ id: ['a', 'b'], position: { gt: 5, lte: 9 } });
    assert.deepEqual(ids, ['a', 'b']);
    assert.ok(first <= 6 && first >= 5 && last === 9);
    assert.equal(plan([{ id: 'a' }, { type: 'b' }]).ids, undefined);
  });

  it('asks for a bounded number of terms, however wide a range is', () => {
    const termsOf = (filter: Json): number => plan(filter).match!.split(' OR ').length;
    assert.ok(termsOf({ 'payload.delay': { gt: -1e300, lt: 1e300 } }) < 110);
    assert.ok(termsOf({ time: { gt: '0001-01-01T00:00:01Z' } }) < 220);
    assert.ok(termsOf({ time: { gt: '1970-01-01T00:10:00Z', lt: '2099-07-07T07:07:07Z' } }) < 220);
  });

  it('looks for no times before the first event and after the last', () => {
    const [begin = 0, end = 0] = [flights[0], flights.at(-1)].map((flight) => {
      return Date.parse(flight!.event.time);
    });
    const matchOf = (filter: Json): string =>
      planOf(parseFilter(filter), WORKSPACE, { begin, end }).match!;
    for (const filter of [
      { time: { gte: '2001-03-30T10:00:00Z' } },
      { time: { lt: '2001-01-02' } },
    ]) {
      assert.ok(matchOf(filter).length < 0.75 * plan(filter).match!.length);
      const matches = flights.filter(compile(parseFilter(filter))).length;
      const looked = countOf(matchOf(filter));
      assert.ok(looked >= matches && looked < 1.1 * matches, `${looked} for ${matches}`);
    }
    assert.equal(countOf(matchOf({ time: { gt: '2101-01-01' } })), 0);
  });
});

interface Flight extends JsonObject {
  date: string;
  delay: number;
  origin: string;
}

/** Real flights as events. */
function readFlights(): Recorded[] {
  const file = new URL(
    '../../../node_modules/vega-datasets/data/flights-20k.json',
    import.meta.url,
  );
  const flights = JSON.parse(readFileSync(file, 'utf8')) as Flight[];
  return flights.map((flight, index) => {
    const time = `${flight.date.replaceAll('/', '-').replace(' ', 'T')}:00.000Z`;
    return recorded(index, {
      type: `flight.${flight.delay > 0 ? 'late' : 'early'}.${flight.origin}`,
      time,
      createdAt: time,
      source: {
        workspaceId: 'any',
        correlationId: 'any',
        connectionId: 'any',
        userId: `u${index % 100}`,
      },
      payload: { ...flight, ...(index % 1_000 === 0 && { note: 'checked' }) },
    });
  });
}
