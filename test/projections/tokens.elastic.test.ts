import assert from 'node:assert/strict';
import fc from 'fast-check';
import { contentsOf } from '../../src/projections/document.js';
import { endOf, says, sortable, token, tokensOf } from '../../src/projections/tokens.elastic.js';
import { recorded } from './recorded.js';

const tokens = (payload: object): string[] => {
  const event = { ...recorded(0).event, payload: payload as Record<string, string> };
  return tokensOf(event, contentsOf(event));
};
const inOrder = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe('The tokens of the Elasticsearch store', () => {
  it('put numbers in their order', () => {
    const number = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constantFrom(0, -0));
    fc.assert(
      fc.property(number, number, (a, b) => {
        const difference = a === b ? 0 : a - b;
        assert.equal(Math.sign(inOrder(sortable(a), sortable(b))), Math.sign(difference) + 0);
      }),
    );
  });

  it('tell every path and value from every other', () => {
    const part = fc.string({ unit: fc.constantFrom('a', ':', '.', ';', '1', '\u0000') });
    fc.assert(
      fc.property(part, part, part, part, (path, value, otherPath, otherValue) => {
        const [one, other] = [
          token(says.text, path, value),
          token(says.text, otherPath, otherValue),
        ];
        assert.equal(one === other, path === otherPath && value === otherValue);
      }),
    );
  });

  it('keep all that is said of a path between its first and its end', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const end = endOf(says.text, 'payload.a');
        assert.ok(
          inOrder(token(says.text, 'payload.a'), token(says.text, 'payload.a', value)) <= 0,
        );
        assert.ok(inOrder(token(says.text, 'payload.a', value), end) < 0);
      }),
    );
  });

  it('are short enough for a term, however long a text is', () => {
    const long = tokens({
      a: '\u{1F600}'.repeat(100_000),
      ['k'.repeat(900)]: '\uFFFD'.repeat(5_000),
    });
    assert.ok(long.every((each) => Buffer.byteLength(each) < 32_766));
  });

  it('are not made of what is no text', () => {
    assert.throws(() => tokens({ a: 'x\ud800' }), /half of a surrogate pair/);
  });
});
