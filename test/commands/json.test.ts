import assert from 'node:assert/strict';
import fc from 'fast-check';
import { JSON_DEPTH_MAX, parseJson } from '../../src/commands/json.js';
import { ServiceError } from '../../src/errors.js';

const parse = (text: string): unknown => parseJson(Buffer.from(text));

function refuses(sent: string | Buffer, message: RegExp): void {
  assert.throws(
    () => parseJson(Buffer.from(sent)),
    (error) => {
      assert.ok(error instanceof ServiceError, String(error));
      assert.equal(error.code, 'invalid-json');
      assert.match(error.message, message);
      return true;
    },
  );
}

const nested = (depth: number, inner = ''): string =>
  `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;

describe('JSON that comes in', () => {
  it('is what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        assert.deepEqual(parse(text), JSON.parse(text));
      }),
      { seed: 1 },
    );
  });

  it('keeps a key like __proto__ as a key', () => {
    assert.deepEqual(Object.keys(parse('{"__proto__":{"a":1}}') as object), ['__proto__']);
  });

  it('is refused where it is no JSON, with what and where', () => {
    refuses('{"a":1,}', /position 7|line 1 column 8/);
    refuses('', /There is no JSON/);
    refuses('{', /property name|end of JSON/);
    refuses('{"a":NaN}', /Unexpected token/);
  });

  it('is refused where it is not UTF-8', () => {
    refuses(Buffer.from([0x22, 0xff, 0x22]), /not valid UTF-8/);
    // A surrogate in UTF-8 (CESU-8), and a character cut in two.
    refuses(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /not valid UTF-8/);
    refuses(Buffer.from('"é"').subarray(0, 2), /not valid UTF-8/);
  });

  describe('nesting', () => {
    it('may be as deep as the limit, and no deeper', () => {
      assert.deepEqual(parse(nested(JSON_DEPTH_MAX)), JSON.parse(nested(JSON_DEPTH_MAX)));
      refuses(nested(JSON_DEPTH_MAX + 1), /nested deeper than 64 levels/);
      refuses(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, /nested deeper than 64 levels/);
    });

    it('that would overflow the stack is refused like any other, whatever is inside', () => {
      refuses(nested(300_000), /nested deeper/);
      refuses(nested(300_000, String.raw`"\ud83d\ude00"`), /nested deeper/);
      refuses(nested(300_000, '9007199254740993'), /nested deeper/);
    });
  });

  describe('a string', () => {
    it('may have characters beyond the first plane, escaped or not', () => {
      assert.equal(parse(String.raw`"\ud83d\ude00"`), '😀');
      assert.equal(parse('"😀"'), '😀');
      assert.equal(parse(String.raw`"\\ud83d"`), String.raw`\ud83d`);
    });

    it('with half a surrogate pair is refused, as a value or as a key', () => {
      for (const half of [String.raw`\ud83d`, String.raw`\uDE00`, String.raw`\ude00\ud83d`]) {
        refuses(`"${half}"`, /half a surrogate pair/);
        refuses(`{"a":[{"b":["${half}"]}]}`, /half a surrogate pair/);
        refuses(`{"a":[{"${half}":1}]}`, /half a surrogate pair/);
      }
    });
  });

  describe('a number', () => {
    const beyond = ['9007199254740992', '-9007199254740993', '123456789012345678901234567890'];
    const places = [
      '@',
      ' @ ',
      '[@]',
      '[1,@,2]',
      '[ @ , 1 ]',
      '[1,\n\t@\n]',
      '{"a":@}',
      '{"a" : @ , "b":1}',
      '{"a":[{"b":@}],"c":"x"}',
    ];

    it('that is an integer beyond 2^53 is refused and named, wherever it stands', () => {
      for (const integer of beyond) {
        for (const place of places) {
          const named = new RegExp(`The integer ${integer} is beyond 2\\^53`);
          refuses(place.replace('@', integer), named);
        }
      }
    });

    it('that is very long is named by its begin', () => {
      refuses('9'.repeat(200), /^The integer 9{40} is/);
      refuses('9'.repeat(400), /too large for a double/);
    });

    it('is kept up to 2^53', () => {
      for (const integer of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, -1]) {
        assert.deepEqual(parse(`{"a":${integer}}`), { a: integer });
      }
    });

    it('beyond a double is refused', () => {
      for (const number of ['1e400', '-1e400', '[1,{"a":1e309}]']) {
        refuses(number, /too large for a double/);
      }
    });

    it('that is large but written as a power is no integer that could be rounded', () => {
      assert.deepEqual(parse('[1e21,-1E+300]'), [1e21, -1e300]);
    });

    it('beside a large one is not taken for it: digits in strings, safe and short ones', () => {
      const texts = ['9007199254740993', ' -9007199254740993 ', '"[9007199254740993]', '\\'];
      for (const text of texts) {
        const value = { a: 1e21, [text]: text, b: [text], c: 1_000_000_000_000_000 };
        assert.deepEqual(parse(JSON.stringify(value).replace('1e+21', '1e21')), value);
      }
    });

    it('in a string may have any number of digits', () => {
      fc.assert(
        fc.property(fc.stringMatching(/^[-0-9 ,:[\]"\\]{0,40}$/), (text) => {
          assert.deepEqual(parse(JSON.stringify([text])), [text]);
          assert.deepEqual(parse(`[1e30,${JSON.stringify(text)}]`), [1e30, text]);
        }),
        { seed: 2 },
      );
    });
  });
});
