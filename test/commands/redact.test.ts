import assert from 'node:assert/strict';
import fc from 'fast-check';
import { redact, redactIp, redactSource, replaceAt } from '../../src/commands/redact.js';
import { BEFORE_FIRST, Recorded, type Event, type JsonObject } from '../../src/event.js';
import { compile } from '../../src/queries/filter.predicate.js';
import { parseFilter } from '../../src/queries/filter.js';
import { recordsArbitrary } from '../queries/event.arbitrary.js';

describe('An address', () => {
  for (const [network, inside, outside] of [
    ['10.0.0.0/8', ['10.0.0.0', '10.255.255.255'], ['9.255.255.255', '11.0.0.0']],
    ['172.16.0.0/12', ['172.16.0.0', '172.31.255.255'], ['172.15.255.255', '172.32.0.0']],
    ['192.168.0.0/16', ['192.168.0.0', '192.168.255.255'], ['192.167.255.255', '192.169.0.0']],
    ['100.64.0.0/10', ['100.64.0.0', '100.127.255.255'], ['100.63.255.255', '100.128.0.0']],
    ['169.254.0.0/16', ['169.254.0.0', '169.254.255.255'], ['169.253.255.255', '169.255.0.0']],
    [
      '127.0.0.0/8',
      ['127.0.0.0', '127.0.0.1', '127.255.255.255'],
      ['126.255.255.255', '128.0.0.0'],
    ],
    ['fc00::/7', ['fc00::', 'fdff:ffff::1', 'FD00::1'], ['fbff:ffff::', 'fe00::']],
    ['fe80::/10', ['fe80::', 'febf:ffff::1', 'fe80::1%eth0'], ['fe7f:ffff::', 'fec0::']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '2001:db8::1']],
  ] as const) {
    it(`within ${network} is private and left out; those beside it are public`, () => {
      for (const ip of inside) {
        assert.equal(redactIp(ip), undefined, ip);
      }
      for (const ip of outside) {
        assert.equal(redactIp(ip), ip);
      }
    });
  }

  it('of IPv4 may be mapped into IPv6, as a dual-stack socket does', () => {
    assert.equal(redactIp('::ffff:8.8.8.8'), '8.8.8.8');
    assert.equal(redactIp('::FFFF:8.8.8.8'), '8.8.8.8');
    for (const ip of ['::ffff:10.0.0.1', '::ffff:a00:1', '0:0:0:0:0:ffff:192.168.1.1']) {
      assert.equal(redactIp(ip), undefined, ip);
    }
  });

  it('that is none, or is not known, is left out', () => {
    for (const ip of [undefined, '', 'unknown', '8.8.8', '8.8.8.8:80', '::ffff:8.8.8', '[::1]']) {
      assert.equal(redactIp(ip), undefined, ip);
    }
  });
});

describe('Redaction', () => {
  const removes = (paths: string[], payload: JsonObject, left: JsonObject): void => {
    const before = JSON.stringify(payload);
    assert.deepEqual(redact(payload, paths), left);
    assert.equal(JSON.stringify(payload), before, 'the original was changed');
  };

  it('removes what stands at a path, whatever it is', () => {
    for (const value of [1, 'a', null, false, [], [1], {}, { b: 1 }]) {
      removes(['payload.a'], { a: value, b: value }, { b: value });
      removes(['payload.a.b'], { a: { b: value, c: 1 } }, { a: { c: 1 } });
    }
  });

  it('leaves alone what is not at the path', () => {
    const payload = { a: 1, b: null, c: 'text', d: [1, [2]], e: { a: 1 } };
    removes(
      ['payload.x', 'payload.a.b', 'payload.b.c', 'payload.c.d', 'payload.d.e'],
      payload,
      payload,
    );
  });

  it('steps through arrays, of arrays too', () => {
    removes(
      ['payload.cards.number'],
      { cards: [{ number: 1, name: 'a' }, 'none', null, [{ number: 2 }, { name: 'b' }]] },
      { cards: [{ name: 'a' }, 'none', null, [{}, { name: 'b' }]] },
    );
  });

  it('takes a star for any one key', () => {
    const payload = { a: { x: 1, y: 2 }, b: { x: 3 }, c: 4, 'd.e': { x: 5, y: 6 } };
    removes(['payload.*.x'], payload, { a: { y: 2 }, b: {}, c: 4, 'd.e': { y: 6 } });
    removes(['payload.a.*'], payload, { ...payload, a: {} });
    removes(['payload.*'], payload, {});
    removes(['payload.*.*.*'], { a: { b: { c: 1 } }, d: { e: 1 } }, { a: { b: {} }, d: { e: 1 } });
  });

  it('takes a star for a star only where it is the key', () => {
    removes(['payload.a*'], { 'a*': 1, ab: 2 }, { ab: 2 });
  });

  it('finds keys that hold dots themselves, as filters do', () => {
    removes(['payload.card.number'], { 'card.number': 1, card: 2 }, { card: 2 });
    removes(
      ['payload.a.b.c'],
      { 'a.b': { c: 1, d: 1 }, a: { 'b.c': 2, b: { c: 3 } }, 'a.b.c': 4, 'a.b.c.d': 5 },
      { 'a.b': { d: 1 }, a: { b: {} }, 'a.b.c.d': 5 },
    );
  });

  it('removes everything that a filter would find at a path', () => {
    const path = fc.constantFrom(
      'a',
      'b',
      'a.b',
      'b.a',
      'a.a.b',
      '0.a',
      '__proto__',
      'a.__proto__',
    );
    const isThere = (event: Event, field: string): boolean =>
      compile(parseFilter({ [field]: { exists: true } }))(
        new Recorded(BEFORE_FIRST, Buffer.alloc(0), event),
      );
    let removed = 0;
    fc.assert(
      fc.property(recordsArbitrary(1), path, ([record], steps) => {
        const { event } = record!;
        const field = `payload.${steps}`;
        removed += isThere(event, field) ? 1 : 0;
        const payload = redact(event.payload, [field]);
        assert.ok(!isThere({ ...event, payload }, field), JSON.stringify(event.payload));
      }),
      { seed: 3, numRuns: 500 },
    );
    assert.ok(removed > 50, `only ${removed} events had the field`);
  });

  it('takes keys of every object for keys like all others', () => {
    const payload = JSON.parse('{"__proto__":{"a":1,"b":2},"constructor":1,"c":3}') as JsonObject;
    const left = redact(payload, [
      'payload.__proto__.a',
      'payload.constructor',
      'payload.c.toString',
    ]);
    assert.equal(JSON.stringify(left), '{"__proto__":{"b":2},"c":3}');
    assert.equal(Object.getPrototypeOf(left), Object.prototype);
    assert.deepEqual(redact({ a: 1 }, ['payload.hasOwnProperty', 'payload.__proto__']), { a: 1 });
  });

  it('takes a star for any one key, whole where it holds dots, and for any place in a list', () => {
    removes(
      ['payload.*.card'],
      { a: { card: 1, b: 2 }, 'c.d': { card: 3 } },
      { a: { b: 2 }, 'c.d': {} },
    );
    removes(['payload.items.*.ssn'], { items: { 'x.y': { ssn: 1 } } }, { items: { 'x.y': {} } });
    removes(['payload.items.*.ssn'], { items: [{ ssn: 1, a: 2 }] }, { items: [{ a: 2 }] });
    removes(['payload.items.*.ssn'], { items: [[{ ssn: 1 }]] }, { items: [[{}]] });
    removes(['payload.*.*'], { a: { b: 1 }, c: 2 }, { a: {}, c: 2 });
    removes(['payload.*'], { '': 1, 'a.b': 2 }, {});
  });

  it('finds what is within keys that hold dots as if it were nested', () => {
    removes(['payload.items.*.ssn'], { 'items.x': { ssn: 1, a: 2 } }, { 'items.x': { a: 2 } });
    removes(['payload.items.*.ssn'], { 'items.x.y': { ssn: 1 } }, { 'items.x.y': {} });
    removes(['payload.items.*.ssn'], { 'items.x.ssn': 1, 'items.ssn': 2 }, { 'items.ssn': 2 });
    removes(['payload.*.card'], { 'a.card': 1, 'card.a': 2, card: 3 }, { 'card.a': 2, card: 3 });
    removes(['payload.a.*'], { 'a.b': { c: 1 }, a: 1, 'b.a': 1 }, { a: 1, 'b.a': 1 });
  });

  it('of a key with very many dots takes no time worth mentioning', () => {
    const key = 'a.'.repeat(500_000);
    const paths = Array.from({ length: 100 }, (_, n) => `payload.${'*.'.repeat(100)}k${n}`);
    assert.deepEqual(Object.keys(redact({ [key]: { b: 1 } }, paths)), [key]);
  }).timeout(2000);

  it('copies only the way to what it removes', () => {
    const payload = { a: { b: 1, c: { d: 1 } }, e: { f: 1 } };
    const left = redact(payload, ['payload.a.b', 'payload.x.y']);
    assert.equal((left.a as JsonObject).c, payload.a.c);
    assert.equal(left.e, payload.e);
    assert.equal(redact(payload, ['payload.x.y']), payload);
  });

  it('of all keys takes as long as there are keys', () => {
    const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, n]));
    assert.deepEqual(redact(wide, ['payload.*']), {});
  });
});

describe('Redaction of a source', () => {
  const source = {
    userId: 'u',
    workspaceId: 'w',
    correlationId: 'c',
    connectionId: 'k',
    ip: '8.8.8.8',
    host: 'h',
  };

  it('removes what is named, or all that an event can be without', () => {
    const left = redactSource(source, ['source.ip', 'payload.a']);
    assert.deepEqual({ ...left, ip: '8.8.8.8' }, source);
    assert.ok(!('ip' in left));
    assert.deepEqual(redactSource(source, ['source.*']), {
      workspaceId: 'w',
      correlationId: 'c',
      connectionId: 'k',
    });
    assert.equal(redactSource(source, ['payload.ip']), source);
  });
});

describe('A replacement', () => {
  it('takes the place of each value at the path', () => {
    const payload = { a: [{ b: 1 }, { b: [2, 3] }], c: 4 };
    const seen: unknown[] = [];
    const replaced = replaceAt(payload, ['payload.a.b', 'payload.c'], (value) => {
      seen.push(value);
      return 'x';
    });
    assert.deepEqual(replaced, { a: [{ b: 'x' }, { b: 'x' }], c: 'x' });
    assert.deepEqual(seen, [1, [2, 3], 4]);
  });
});
