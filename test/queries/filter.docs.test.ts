import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { pathLengthMax } from '../../src/projections/document.js';
import { ServiceError } from '../../src/errors.js';
import { conditionsMax, listValuesMax } from '../../src/queries/filter.condition.js';
import { pathSegmentsMax, valueLengthMax } from '../../src/queries/filter.field.js';
import { filterDepthMax, parseFilter, parseFilterQuery } from '../../src/queries/filter.js';
import { filterArbitrary } from './filter.arbitrary.js';
import { table } from './filter.table.js';

const root = new URL('../../../', import.meta.url);
const guide = readFileSync(new URL('docs/filter.md', root), 'utf8');
const schema = JSON.parse(readFileSync(new URL('schemas/filter.json', root), 'utf8')) as object;

/** What stands in the fenced blocks of one language. */
const examples = (language: string): string[] =>
  Array.from(
    guide.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm')),
    ([, text]) => text!,
  );

describe('The guide to filters', () => {
  it('shows filters that are taken', () => {
    const shown = examples('json').map((text) => parseFilter(JSON.parse(text)));
    assert.ok(shown.length >= 5);
  });

  it('shows query strings that are taken', () => {
    const shown = examples('query').flatMap((text) => text.trim().split('\n'));
    assert.ok(shown.length >= 4);
    for (const query of shown) {
      parseFilterQuery(new URLSearchParams(query));
    }
  });

  it('begins with one filter in both spellings', () => {
    const [json] = examples('json');
    const [query] = examples('query');
    assert.equal(
      parseFilterQuery(new URLSearchParams(query!.trim())).key,
      parseFilter(JSON.parse(json!)).key,
    );
  });

  it('shows an answer as it is given', () => {
    const [text] = examples('problem');
    assert.throws(
      () => parseFilter({ $or: [{}, { 'payload.city': [{ gt: 1 }] }] }),
      (error) => {
        assert.ok(error instanceof ServiceError);
        const { code, message: detail, errors } = error;
        assert.deepEqual({ code, detail, errors }, JSON.parse(text!));
        return true;
      },
    );
  });

  it('tells the bounds as they are', () => {
    const bounds = guide.slice(guide.indexOf('## Bounds')).matchAll(/^\|.*\| +([\d,]+) +\|$/gm);
    const told = Array.from(bounds, ([, bound]) => Number(bound!.replace(',', '')));
    assert.deepEqual(told, [
      filterDepthMax,
      conditionsMax,
      listValuesMax,
      valueLengthMax,
      pathSegmentsMax,
    ]);
    assert.equal(pathLengthMax, valueLengthMax);
  });
});

describe('The JSON Schema of a filter', () => {
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);

  it('describes every filter that is taken', () => {
    fc.assert(
      fc.property(filterArbitrary, (filter) => {
        assert.ok(validate(filter), JSON.stringify(validate.errors));
      }),
    );
    for (const [policy, filter] of Object.values(table).flat()) {
      assert.ok(validate(filter), policy);
    }
  });

  it('refuses what is of another form, as the parser does', () => {
    const others = [
      '7',
      '[]',
      '{"$or":{}}',
      '{"$nor":[{}]}',
      '{"source":"a"}',
      '{"workspace":"w1"}',
      '{"type":{}}',
      '{"type":{"regex":"a"}}',
      '{"payload.a":[["x"]]}',
      '{"payload.a":{"in":[null]}}',
      '{"payload.a":{"gt":true}}',
      '{"time":7}',
      '{"time":{"prefix":"2001"}}',
      '{"position":-1}',
      '{"position":{"gt":"7"}}',
    ].map((text) => JSON.parse(text) as unknown);
    for (const filter of others) {
      assert.ok(!validate(filter), JSON.stringify(filter));
      assert.throws(() => parseFilter(filter));
    }
  });
});
