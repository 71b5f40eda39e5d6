import assert from 'node:assert/strict';
import { ServiceError } from '../../src/errors.js';
import { pathLengthMax } from '../../src/projections/document.js';
import { conditionsMax, listValuesMax } from '../../src/queries/filter.condition.js';
import { pathSegmentsMax, valueLengthMax } from '../../src/queries/filter.field.js';
import {
  EVERYTHING,
  filterDepthMax,
  isFilterField,
  parseFilter,
} from '../../src/queries/filter.js';

const repeat = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const nested = (depth: number): unknown =>
  depth === 1 ? { type: 'a' } : { $not: nested(depth - 1) };
const fields = (count: number): object =>
  Object.fromEntries(repeat(count, (index) => [`payload.a${String(index)}`, 1]));

/** What is sent as JSON, where the fault is, and what the message must say. */
const faults: [sent: string, path: string, message: RegExp][] = [
  ['null', '', /must be an object/],
  ['"type"', '', /must be an object/],
  ['[]', '', /empty list/],
  ['[[]]', '[0]', /empty list/],
  ['{"$or":[]}', '$or', /empty list/],
  ['{"$and":{"type":"a"}}', '$and', /must be a list/],
  ['{"$or":[{},{"type":[]}]}', '$or[1].type', /empty list/],
  ['{"$not":"a"}', '$not', /must be an object/],
  ['{"$nor":[{}]}', '$nor', /\$and, \$or, \$not and \$text/],
  ['{"__proto__":{"type":"a"}}', '__proto__', /fields are id, type, workspaceId, time/],
  ['{"constructor":"a"}', 'constructor', /not a field/],
  ['{"source":"a"}', 'source', /source\.<name>/],
  ['{"type.a":"a"}', 'type.a', /not a field/],
  ['{"payloads.a":"a"}', 'payloads.a', /not a field/],
  ['{"type":{}}', 'type', /no operator; operators are eq, ne, in/],
  ['{"type":{"regex":"a"}}', 'type.regex', /operators are eq, ne, in/],
  ['{"type":{"__proto__":"a"}}', 'type.__proto__', /not an operator/],
  ['{"type":{"toString":"a"}}', 'type.toString', /not an operator/],
  ['{"payload.a":["x",["y"]]}', 'payload.a[1]', /\$or/],
  ['{"payload.a":["x",{"gt":1}]}', 'payload.a[1]', /\$or/],
  ['{"payload.a":{"eq":["x"]}}', 'payload.a.eq', /string, a number or a boolean/],
  ['{"payload.a":{"in":"x"}}', 'payload.a.in', /must be a list/],
  ['{"payload.a":{"in":["x",null]}}', 'payload.a.in[1]', /string, a number or a boolean/],
  ['{"payload.a":{"prefix":1}}', 'payload.a.prefix', /must be a string/],
  ['{"payload.a":{"exists":"true"}}', 'payload.a.exists', /true or false/],
  ['{"payload.a":{"gt":true}}', 'payload.a.gt', /number or a string/],
  ['{"payload.a":{"gt":null}}', 'payload.a.gt', /number or a string/],
  ['{"payload.a":{"gt":1,"lt":"2"}}', 'payload.a', /mixes/],
  ['{"payload.a":{"gt":1e400}}', 'payload.a.gt', /beyond the range/],
  ['{"payload.a":-1e400}', 'payload.a', /beyond the range/],
  ['{"payload.a":"x*y"}', 'payload.a', /\\\*.*\$text/],
  ['{"payload.a":"*x*"}', 'payload.a', /one star/],
  ['{"payload.a":"**"}', 'payload.a', /one star/],
  ['{"payload.a":["x","*\\\\**"]}', 'payload.a[1]', /one star/],
  ['{"payload.a":"\\ud83d"}', 'payload.a', /surrogate/],
  ['{"payload.\\ud83d":"x"}', 'payload.\ud83d', /surrogate/],
  ['{"$text":"?!"}', '$text', /no word/],
  ['{"$text":7}', '$text', /must be a string/],
  ['{"time":"yesterday"}', 'time', /RFC 3339/],
  ['{"time":"2001-02-30"}', 'time', /RFC 3339/],
  ['{"time":"2001-01-15T08:30:00"}', 'time', /RFC 3339/],
  ['{"time":{"gte":2001}}', 'time.gte', /RFC 3339/],
  ['{"createdAt":{"ne":"a"}}', 'createdAt.ne', /RFC 3339/],
  ['{"time":"2001-*"}', 'time', /gte and lt/],
  ['{"time":{"prefix":"2001"}}', 'time.prefix', /gte and lt/],
  ['{"position":-1}', 'position', /integer from 0/],
  ['{"position":1.5}', 'position', /integer from 0/],
  ['{"position":"1*"}', 'position', /integer from 0/],
  ['{"position":{"gt":"7"}}', 'position.gt', /integer from 0/],
  ['{"position":{"suffix":"7"}}', 'position.suffix', /gte and lt/],
];

describe('A filter that cannot be meant', () => {
  for (const [sent, path, message] of faults) {
    it(`is refused with the place of the fault: ${sent}`, () => {
      assertRefused(JSON.parse(sent), path, message);
    });
  }

  it('is refused by a sentence', () => {
    assert.throws(
      () => parseFilter([{}, { type: {} }]),
      /^ServiceError: \[1\]\.type has no operator; .*\.$/,
    );
    assert.throws(
      () => parseFilter(7),
      /^ServiceError: The filter must be an object of fields, .*\.$/,
    );
  });
});

describe('A filter that asks too much', () => {
  it(`nests ${String(filterDepthMax)} filters, not more`, () => {
    parseFilter(nested(filterDepthMax));
    assertRefused(
      nested(filterDepthMax + 1),
      repeat(filterDepthMax, () => '$not').join('.'),
      /deeper/,
    );
  });

  it('is refused for its depth before anyone walks down it', () => {
    let deep: unknown = {};
    for (let level = 0; level < 200_000; level++) {
      deep = [deep];
    }
    assertRefused(deep, '[0]'.repeat(filterDepthMax), /deeper/);
  });

  it(`has ${String(conditionsMax)} conditions, not more`, () => {
    parseFilter(fields(conditionsMax));
    assertRefused(
      { $or: [fields(conditionsMax), { type: 'a' }] },
      '$or[1].type',
      /a condition too many; 64 are allowed/,
    );
  });

  it('counts each word as a condition', () => {
    const words = repeat(conditionsMax, (index) => `w${String(index)}`).join(' ');
    parseFilter({ $text: words });
    assertRefused({ $text: `${words} more` }, '$text', /a condition too many/);
  });

  it(`lists ${String(listValuesMax)} values, not more`, () => {
    const values = repeat(listValuesMax + 1, String);
    for (const [path, filter] of [
      ['payload.a', { 'payload.a': values }],
      ['payload.a.in', { 'payload.a': { in: values } }],
      ['$or', { $or: values.map(() => ({})) }],
      ['', values.map(() => ({}))],
    ] as const) {
      assertRefused(filter, path, /lists 101 values; 100 are allowed/);
    }
    parseFilter({ 'payload.a': values.slice(1) });
  });

  it(`has values of ${String(valueLengthMax)} characters, not longer`, () => {
    const long = 'x'.repeat(valueLengthMax);
    parseFilter({ 'payload.a': { eq: long, gte: long, prefix: long }, $text: long });
    assertRefused({ 'payload.a': [`${long}x`] }, 'payload.a[0]', /longer than 1024/);
    assertRefused({ 'payload.a': { lt: `${long}x` } }, 'payload.a.lt', /longer than 1024/);
    assertRefused({ 'payload.a': { suffix: `${long}x` } }, 'payload.a.suffix', /longer than 1024/);
    assertRefused({ $text: `${long}x` }, '$text', /longer than 1024/);
  });

  it(`has fields of ${String(pathLengthMax)} characters, not longer`, () => {
    const field = `payload.${'x'.repeat(pathLengthMax - 'payload.'.length)}`;
    parseFilter({ [field]: 1 });
    assertRefused({ [`${field}x`]: 1 }, `${field}x`, /longer than 1024/);
    assertRefused({ [field.repeat(9)]: 1 }, field.repeat(2), /longer than 1024/);
  });

  it(`has fields of ${String(pathSegmentsMax)} segments, not more`, () => {
    const field = ['payload', ...repeat(pathSegmentsMax - 1, () => 'a')].join('.');
    parseFilter({ [field]: 1 });
    assertRefused({ [`${field}.a`]: 1 }, `${field}.a`, /more than 32 segments/);
  });
});

describe('The canonical form of a filter', () => {
  const same: [string, unknown, unknown][] = [
    [
      'values and $or',
      { type: ['a', 'b'] },
      { $or: [{ type: 'b' }, { type: 'a' }, { type: 'a' }] },
    ],
    ['a number and its text', { 'payload.a': 3 }, { 'payload.a': { eq: '3' } }],
    ['in and a list', { 'payload.a': { in: ['x', 'y'] } }, { 'payload.a': ['y', 'x'] }],
    ['ne and $not', { 'payload.a': { ne: 'x' } }, { $not: { 'payload.a': 'x' } }],
    ['null and exists', { 'payload.a': null }, { 'payload.a': { exists: false } }],
    ['a star and prefix', { 'payload.a': 'x*' }, { 'payload.a': { prefix: 'x' } }],
    ['either empty part', { 'payload.a': '*' }, { 'payload.a': { suffix: '' } }],
    [
      'a time and the same elsewhere',
      { time: '2001-01-15' },
      { time: '2001-01-15T01:00:00+01:00' },
    ],
    [
      'a time and its range',
      { time: '2001-01-15' },
      { time: { lte: '2001-01-15', gte: '2001-01-15' } },
    ],
    ['a position and its text', { position: 7 }, { position: '7' }],
    ['words in another order', { $text: 'late ARRIVAL' }, { $text: 'arrival, late' }],
    [
      '$and in $and',
      { $and: [{ $and: [{ id: 'a' }, { id: 'b' }] }, { type: 'c' }] },
      [{ $and: [{ type: 'c' }, { id: 'b' }, { id: 'a' }] }],
    ],
    ['everything', {}, { $or: [{ type: 'a' }, {}] }],
    ['what every event has', {}, { type: { exists: true }, payload: { ne: null } }],
    ['nothing', { $not: {} }, { $and: [{ type: 'a' }, { type: null }] }],
  ];
  for (const [what, one, other] of same) {
    it(`is one for ${what}`, () => {
      assert.equal(parseFilter(one).key, parseFilter(other).key);
    });
  }

  it('of the empty filter is everything', () => {
    assert.deepEqual(parseFilter({}), EVERYTHING);
  });
});

describe('A field of a filter', () => {
  it('is one of the fields of an event', () => {
    for (const name of ['id', 'type', 'workspaceId', 'time', 'createdAt', 'position']) {
      assert.ok(isFilterField(name), name);
    }
    for (const name of [
      'source.a',
      'target.a',
      'payload',
      'payload.a.b',
      'payload.',
      'payload.\n',
      'payload.__proto__',
    ]) {
      assert.ok(isFilterField(name), name);
    }
    for (const name of [
      '',
      'text',
      'source',
      'target',
      'options',
      'type.a',
      'xpayload.a',
      'after',
    ]) {
      assert.ok(!isFilterField(name), name);
    }
  });
});

function assertRefused(filter: unknown, path: string, message: RegExp): void {
  assert.throws(
    () => parseFilter(filter),
    (error) => {
      assert.ok(error instanceof ServiceError);
      assert.equal(error.code, 'invalid-filter');
      assert.equal(error.errors?.length, 1);
      assert.equal(error.errors[0]!.path, path);
      assert.match(error.errors[0]!.message, message);
      return true;
    },
  );
}
