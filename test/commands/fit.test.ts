import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fit, seal } from '../../src/commands/fit.js';
import { ServiceError } from '../../src/errors.js';
import type { Event, EventError, JsonObject } from '../../src/event.js';
import { recordsArbitrary, text, topics, users } from '../queries/event.arbitrary.js';

const SOURCE = { workspaceId: 'w', correlationId: 'c', connectionId: 'k' };
const SOURCE_JSON = JSON.stringify(SOURCE);

function eventOf(payload: JsonObject): Event {
  const time = '2001-01-15T00:30:00.000Z';
  return { id: 'e', type: 't', workspaceId: 'w', time, createdAt: time, source: SOURCE, payload };
}

function sizeOf(payload: JsonObject): number {
  return seal(eventOf(payload), SOURCE_JSON).bytes.length;
}

describe('The bytes of an event', () => {
  it('are its JSON, whatever is in it', () => {
    const parts: fc.Arbitrary<Partial<Event>> = fc.record(
      {
        id: fc.stringMatching(/^[!-~]{1,128}$/),
        target: fc.record({
          userId: fc.oneof(text, fc.constantFrom(...users)),
          topic: fc.constantFrom('"', '\\', '\u2028', ...topics),
        }),
        options: fc.record({ persist: fc.boolean() }, { requiredKeys: [] }),
        error: fc.record<EventError>({ code: text, message: fc.string({ unit: 'grapheme' }) }),
        payload: fc.object({ maxDepth: 4 }).map((o) => JSON.parse(JSON.stringify(o)) as JsonObject),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(recordsArbitrary(1), parts, ([record], more) => {
        const event = { ...record!.event, ...more };
        const sealed = seal(event, JSON.stringify(event.source));
        assert.equal(sealed.event, event);
        const json = sealed.bytes as Buffer;
        assert.deepEqual(JSON.parse(json.toString()), JSON.parse(JSON.stringify(event)));
        assert.equal(json.length, Buffer.byteLength(JSON.stringify(event)));
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});

describe('An event that is too large', () => {
  const fitted = (payload: JsonObject, replaceable: string[], bytesMax: number): JsonObject => {
    const event = eventOf(payload);
    const { event: kept, bytes } = fit(event, SOURCE_JSON, replaceable, bytesMax);
    assert.ok(bytes.length <= bytesMax);
    assert.deepEqual(JSON.parse((bytes as Buffer).toString()), kept);
    assert.equal(event.payload, payload, 'the draft was changed');
    return kept.payload;
  };
  const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(1000));
  const payload = { a: a!, b: b!, c: c!, d: 1 };
  const paths = ['payload.b', 'payload.x', 'payload.a', 'payload.c'];
  const note = '[left out: 1002 bytes]';

  it('is not touched while it fits, to the byte', () => {
    const size = sizeOf(payload);
    assert.equal(fitted(payload, paths, size), payload);
    assert.notEqual(fitted(payload, paths, size - 1), payload);
  });

  it('gives way field by field, in the order of the paths, and no further than it must', () => {
    assert.deepEqual(fitted(payload, paths, sizeOf(payload) - 1), { ...payload, b: note });
    const oneLess = sizeOf({ ...payload, b: note });
    assert.deepEqual(fitted(payload, paths, oneLess), { ...payload, b: note });
    assert.deepEqual(fitted(payload, paths, oneLess - 1), { ...payload, b: note, a: note });
    const least = { a: note, b: note, c: note, d: 1 };
    assert.deepEqual(fitted(payload, paths, sizeOf(least)), least);
  });

  it('tells of each field that gave way how large it was', () => {
    const large = { a: { deep: ['é'.repeat(500)] }, cards: [{ scan: a! }, { scan: 'small' }] };
    const left = fitted(large, ['payload.a', 'payload.cards.scan'], 350);
    assert.deepEqual(left, {
      a: '[left out: 1013 bytes]',
      cards: [{ scan: note }, { scan: '[left out: 7 bytes]' }],
    });
  });

  it('is refused where that is not enough, with its size and the limit', () => {
    for (const replaceable of [[], ['payload.x'], ['payload.a'], paths]) {
      assert.throws(
        () => fit(eventOf(payload), SOURCE_JSON, replaceable, 200),
        (error) => {
          assert.ok(error instanceof ServiceError);
          assert.equal(error.code, 'too-large');
          assert.match(error.message, new RegExp(`has ${sizeOf(payload)} bytes`));
          assert.match(error.message, /the limit is 200\./);
          return true;
        },
      );
    }
  });
});
