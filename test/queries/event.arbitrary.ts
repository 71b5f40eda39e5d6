import fc from 'fast-check';
import {
  Recorded,
  type Event,
  type Json,
  type JsonObject,
  type Position,
} from '../../src/event.js';

/**
 * Random events, of few keys and values, which are chosen to be mistaken for each other; random
 * filters draw from the same, so that they often match.
 */

/** Words, digits as text, stars and backslashes, look-alikes, and what UTF-16 sorts wrongly. */
const texts = [
  'a',
  '3',
  'ab',
  '3.0',
  '\u{1F600}',
  '\uFFFD',
  '',
  'A',
  '3.5',
  '10',
  'true',
  'null',
  '*',
  'a*',
  '\\',
  '\\*b',
  'late arrival',
  'Late, again: ａrrival',
  'é',
  'e\u0301',
  'x'.repeat(70),
];
const numbers = [3, 10, 0, 3.5, -1, 1e21];
const keys = ['a', 'b', 'c', 'a.b', '', '__proto__', 'constructor', 'é', '0'];
export const users = ['u1', 'u2'];
export const topics = ['news', 'late'];
export const types = ['order.paid', 'order.created', 'user.created'];
export const times = [
  '2001-01-14T23:59:59.999Z',
  '2001-01-15T00:00:00Z',
  '2001-01-15T01:00:00+01:00',
  '2001-01-15T00:00:00.5Z',
  '2001-02-01T00:00:00Z',
];
const createdAts = [
  '2001-01-15T00:00:00.000Z',
  '2001-01-15T00:00:00.500Z',
  '2002-01-01T00:00:00.000Z',
];

/** Mostly one of the first few, so that paths lead somewhere and values meet. */
function biased<T>(members: readonly T[], first: number): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...members.slice(0, first)) },
    { weight: 1, arbitrary: fc.constantFrom(...members) },
  );
}

export const text = biased(texts, 6);
export const number = biased(numbers, 2);
export const scalar = fc.oneof(text, number, fc.boolean());
export const key = biased(keys, 2);

/** Not a literal, in which `__proto__` would set the prototype. */
function objectOf(value: fc.Arbitrary<Json>, maxLength: number): fc.Arbitrary<JsonObject> {
  return fc
    .array(fc.tuple(key, value), { maxLength })
    .map((entries) => Object.fromEntries(entries));
}

const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    { weight: 5, arbitrary: scalar },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 3, arbitrary: objectOf(tie('value'), 3) },
  ),
}));

const happened: fc.Arbitrary<Pick<Event, 'type' | 'time' | 'target' | 'payload'>> = fc.record(
  {
    type: fc.constantFrom(...types),
    time: fc.constantFrom(...times),
    target: fc.record(
      { userId: fc.constantFrom(...users), topic: fc.constantFrom(...topics) },
      { requiredKeys: [] },
    ),
    payload: objectOf(value, 5),
  },
  { requiredKeys: ['type', 'time', 'payload'] },
);

/** A piece of a log: ids `e0`, `e1` and so on, positions with gaps, `createdAt` in order. */
export function recordsArbitrary(count: number): fc.Arbitrary<Recorded[]> {
  return fc
    .array(fc.tuple(happened, fc.constantFrom(...users)), { minLength: count, maxLength: count })
    .map((drawn) =>
      drawn.map(([what, userId], index) => {
        const event: Event = {
          ...what,
          id: `e${String(index)}`,
          workspaceId: 'w1',
          createdAt: createdAts[Math.floor((index * createdAts.length) / count)]!,
          source: { workspaceId: 'w1', correlationId: 'c1', connectionId: 'k1', userId },
        };
        return new Recorded((2 * index) as Position, Buffer.from(JSON.stringify(event)));
      }),
    );
}
