import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Json, JsonObject, Recorded } from '../../src/event.js';
import { contentsOf } from '../../src/projections/document.js';
import { and, EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { compile } from '../../src/queries/filter.predicate.js';
import { filterArbitrary, recordsArbitrary } from './filter.arbitrary.js';
import { oracle } from './filter.oracle.js';

const FILTERS = 2_000;
const EVENTS = 40;

/** Ways to say the same, which cost a subscriber nothing: all of them share one evaluation. */
const spellings: Record<string, (filter: Json) => Json> = {
  'in another order': reversed,
  'denied twice': (filter) => ({ $not: { $not: filter } }),
  'as a list of one': (filter) => [filter],
  'as $and of one': (filter) => ({ $and: [filter] }),
  'as $or of itself and itself': (filter) => ({ $or: [filter, [filter]] }),
  'with everything': (filter) => ({ $and: [filter, {}] }),
  'or nothing': (filter) => [filter, { $not: {} }],
  'field by field': (filter) =>
    Array.isArray(filter) || Object.keys(filter as JsonObject).length === 0
      ? filter
      : { $and: Object.entries(filter as JsonObject).map(([name, value]) => ({ [name]: value })) },
};

describe('The filter language, on random events and filters', function () {
  this.timeout(60_000);

  it('means what a naive reading of the filter means, and both answers are common', () => {
    let pairs = 0;
    let matches = 0;
    fc.assert(
      fc.property(filterArbitrary, recordsArbitrary(EVENTS), (json, records) => {
        const matching = compile(parseFilter(json));
        for (const record of records) {
          const expected = oracle(json, record.event, record.position);
          assert.equal(matching(record), expected, explain(json, record));
          pairs++;
          matches += Number(expected);
        }
      }),
      { numRuns: FILTERS },
    );
    const share = matches / pairs;
    assert.ok(share > 0.1 && share < 0.9, `${String(share)} of ${String(pairs)} pairs match`);
  });

  for (const [how, spell] of Object.entries(spellings)) {
    it(`has one key for a filter and for the same ${how}`, () => {
      fc.assert(
        fc.property(filterArbitrary, (json) => {
          assert.equal(parseFilter(spell(json)).key, parseFilter(json).key);
        }),
      );
    });
  }

  it('has different keys for filters that differ on an event', () => {
    const [records] = fc.sample(recordsArbitrary(200), 1);
    const answers = new Map<string, string>();
    fc.assert(
      fc.property(filterArbitrary, (json) => {
        const { key } = parseFilter(json);
        const answer = records!.map(({ event, position }) => Number(oracle(json, event, position)));
        assert.equal(answers.get(key) ?? answer.join(''), answer.join(''));
        answers.set(key, answer.join(''));
      }),
    );
  });

  it('lets through both filters what passes each of them', () => {
    fc.assert(
      fc.property(filterArbitrary, filterArbitrary, recordsArbitrary(20), (a, b, records) => {
        const [first, second] = [parseFilter(a), parseFilter(b)];
        const both = compile(and(first, second));
        for (const record of records) {
          assert.equal(both(record), compile(first)(record) && compile(second)(record));
        }
        assert.equal(and(first, second).key, and(second, first).key);
        assert.equal(and(first, first, EVERYTHING).key, first.key);
      }),
    );
  });

  it('finds every leaf and every path that a back end indexes, and no other path', () => {
    fc.assert(
      fc.property(recordsArbitrary(5), filterArbitrary, (records, json) => {
        for (const record of records) {
          const { leaves, paths: indexed } = contentsOf(record.event);
          for (const { path, value } of leaves) {
            assert.ok(indexed.has(path), path);
            assert.ok(compile(parseFilter({ [path]: { eq: value } }))(record), path);
          }
          for (const path of indexed) {
            assert.ok(compile(parseFilter({ [path]: { exists: true } }))(record), path);
          }
          for (const path of Object.keys(json as JsonObject).filter(isPayloadPath)) {
            const exists = compile(parseFilter({ [path]: { exists: true } }))(record);
            assert.equal(exists, indexed.has(path), path);
          }
        }
      }),
    );
  });
});

function isPayloadPath(name: string): boolean {
  return name.startsWith('payload.');
}

function reversed(json: Json): Json {
  if (Array.isArray(json)) {
    return json.map(reversed).reverse();
  }
  return typeof json === 'object' && json !== null
    ? Object.fromEntries(
        Object.entries(json)
          .map(([key, value]): [string, Json] => [key, reversed(value)])
          .reverse(),
      )
    : json;
}

function explain(json: Json, record: Recorded): string {
  return `${JSON.stringify(json)} on ${String(record.position)}: ${JSON.stringify(record.event)}`;
}
