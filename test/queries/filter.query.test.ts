import assert from 'node:assert/strict';
import { ServiceError } from '../../src/errors.js';
import { isFilterParameter, parseFilter, parseFilterQuery } from '../../src/queries/filter.js';

/** A policy, a query string, and the filter in JSON that says the same. */
const same: [policy: string, query: string, json: unknown][] = [
  ['lets everything through when it is empty', '', {}],
  ['takes a value', 'type=order.paid', { type: 'order.paid' }],
  ['takes a pattern', 'type=order.*', { type: 'order.*' }],
  ['takes a literal star', String.raw`payload.a=\*`, { 'payload.a': { eq: '*' } }],
  [
    'asks for any value of a repeated name',
    'payload.a=x&payload.a=y*',
    { 'payload.a': ['x', 'y*'] },
  ],
  ['asks for all names', 'type=a&id=b', { type: 'a', id: 'b' }],
  ['takes a number for a bound', 'payload.a.gte=1.5e1', { 'payload.a': { gte: 15 } }],
  ['takes what is no JSON number for text', 'payload.a.lt=010', { 'payload.a': { lt: '010' } }],
  ['makes one range of bounds', 'payload.a.gt=1&payload.a.lt=9', { 'payload.a': { gt: 1, lt: 9 } }],
  [
    'asks for a range beside a value',
    'payload.a=5&payload.a.gt=1',
    { $and: [{ 'payload.a': 5 }, { 'payload.a': { gt: 1 } }] },
  ],
  ['takes eq as it stands', 'payload.a.eq=x*', { 'payload.a': { eq: 'x*' } }],
  ['asks for any repeated eq', 'id.eq=a&id.eq=b', { id: { in: ['a', 'b'] } }],
  ['asks for any repeated prefix', 'id.prefix=a&id.prefix=b', { id: ['a*', 'b*'] }],
  ['takes a suffix', 'id.suffix=a', { id: '*a' }],
  ['takes ne', 'payload.a.ne=x', { 'payload.a': { ne: 'x' } }],
  ['takes exists', 'payload.a.exists=true', { 'payload.a': { exists: true } }],
  ['takes absence', 'payload.a.exists=false', { 'payload.a': null }],
  ['takes null for a text', 'payload.a=null', { 'payload.a': { eq: 'null' } }],
  [
    'takes times',
    'time.gte=2001-01-15&time.lt=2001-02-15',
    { time: { gte: '2001-01-15', lt: '2001-02-15' } },
  ],
  ['takes a position', 'position=7', { position: 7 }],
  ['takes bounds of the position', 'position.gt=7', { position: { gt: 7 } }],
  ['takes words', 'text=late+arr*', { $text: 'late arr*' }],
  ['asks for any repeated text', 'text=late&text=early', [{ $text: 'late' }, { $text: 'early' }]],
  ['reaches a key named as an operator', 'payload.lt.eq=5', { 'payload.lt': '5' }],
  ['takes the operator of a field alone', 'source.lt=a', { 'source.lt': 'a' }],
  ['passes over what is not its own', 'after=x&limit=7&type=a&textual=b', { type: 'a' }],
];

const faults: [query: string, path: string, message: RegExp][] = [
  ['payload.a.gt=1&payload.a.gt=2', 'payload.a.gt', /repeated/],
  ['payload.a.ne=1&payload.a.ne=2', 'payload.a.ne', /repeated/],
  ['payload.a.exists=true&payload.a.exists=true', 'payload.a.exists', /repeated/],
  ['payload.a.exists=yes', 'payload.a.exists', /true or false/],
  ['payload.a.in=x,y', 'payload.a.in', /repeat payload\.a/],
  ['payload.a.gt=1e400', 'payload.a.gt', /beyond the range/],
  ['payload.a.gt=1&payload.a.lt=x', 'payload.a', /mixes/],
  ['payload.a=x&payload.a=y&payload.a=x*z', 'payload.a[2]', /one star/],
  ['type.regex=x', 'type.regex', /not a field/],
  ['source=x', 'source', /not a field/],
  ['position.gt=x', 'position.gt', /integer from 0/],
  ['time.gt=2001', 'time.gt', /RFC 3339/],
  ['time=2001-01-15T01:00:00+01:00', 'time', /RFC 3339/],
  ['text=', 'text', /no word/],
  [Array.from({ length: 101 }, () => 'id=a').join('&'), 'id', /lists 101 values/],
  [Array.from({ length: 101 }, () => 'text=a').join('&'), 'text', /lists 101 values/],
  [
    Array.from({ length: 65 }, (_, i) => `payload.a${String(i)}=x`).join('&'),
    'payload.a64',
    /too many/,
  ],
];

describe('A filter in a query string', () => {
  for (const [policy, query, json] of same) {
    it(policy, () => {
      assert.equal(parseFilterQuery(new URLSearchParams(query)).key, parseFilter(json).key);
    });
  }

  for (const [query, path, message] of faults) {
    it(`is refused with the parameter at fault: ${query.slice(0, 60)}`, () => {
      assert.throws(
        () => parseFilterQuery(new URLSearchParams(query)),
        (error) => {
          assert.ok(error instanceof ServiceError);
          assert.equal(error.code, 'invalid-filter');
          assert.equal(error.errors?.[0]?.path, path);
          assert.match(error.errors[0].message, message);
          return true;
        },
      );
    });
  }

  it('owns what begins with a field, so that a slip is told and not passed over', () => {
    for (const name of ['text', 'type', 'type.regex', 'source', 'payload.a.gt', 'time.gte']) {
      assert.ok(isFilterParameter(name), name);
    }
    for (const name of ['after', 'limit', 'text.eq', 'types', 'Type', '$or', '']) {
      assert.ok(!isFilterParameter(name), name);
    }
  });
});
