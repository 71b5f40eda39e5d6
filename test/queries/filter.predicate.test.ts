import assert from 'node:assert/strict';
import {
  Recorded,
  type Event,
  type Json,
  type JsonObject,
  type Position,
} from '../../src/event.js';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { compile, textsAt } from '../../src/queries/filter.predicate.js';
import { oracle } from './filter.oracle.js';
import { table } from './filter.table.js';

const event: Event = {
  id: 'e-1',
  type: 'order.paid',
  workspaceId: 'w1',
  time: '2001-01-15T00:30:00Z',
  createdAt: '2001-01-15T00:00:00.000Z',
  source: { workspaceId: 'w1', correlationId: 'c1', connectionId: 'k1', userId: 'u1' },
  payload: {},
};
const position = 7 as Position;

for (const [subject, rows] of Object.entries(table)) {
  describe(`${subject} of a filter`, () => {
    for (const [policy, filter, matching, others] of rows) {
      it(policy, () => {
        for (const payload of matching) {
          assertMatches(filter, { ...event, payload }, true);
        }
        for (const payload of others) {
          assertMatches(filter, { ...event, payload }, false);
        }
      });
    }
  });
}

/** A policy, a filter, and whether it lets the event through. */
const envelope: [string, Json, boolean][] = [
  ['id is text', { id: 'e-*' }, true],
  ['type is text', { type: 'order.paid' }, true],
  ['type can be listed', { type: ['user.*', 'order.*'] }, true],
  ['type has an order', { type: { gte: 'order', lt: 'orders' } }, true],
  ['type is no number', { type: { gt: 0 } }, false],
  ['source is known by its fields', { 'source.userId': 'u1' }, true],
  ['target is known by its fields', { 'target.topic': 'news' }, false],
  ['target may be absent', { 'target.topic': null }, true],
  ['a time equals itself elsewhere', { time: '2001-01-15T01:30:00+01:00' }, true],
  ['a time is equal by the millisecond', { time: '2001-01-15T00:30:00.0009Z' }, true],
  ['another millisecond is another time', { time: '2001-01-15T00:30:00.001Z' }, false],
  ['a date is its midnight', { time: '2001-01-15' }, false],
  [
    'a time is compared as a time',
    { time: { gte: '2001-01-15', lt: '2001-01-15T02:00:00+01:00' } },
    true,
  ],
  ['a bound can leave the time out', { time: { gt: '2001-01-15T00:30:00Z' } }, false],
  ['times can be listed', { createdAt: ['2001-01-16', '2001-01-15'] }, true],
  ['times can be denied', { createdAt: { ne: '2001-01-15T00:00:00Z' } }, false],
  ['position is a number', { position: { gt: 6, lte: 7 } }, true],
  ['position can be equal', { position: 7 }, true],
  ['position can be equal by its text', { position: ['3', '7'] }, true],
  ['position can be denied', { position: { ne: 7 } }, false],
];

describe('A condition on what every event has', () => {
  for (const [policy, filter, expected] of envelope) {
    it(policy, () => {
      assertMatches(filter, event, expected);
    });
  }

  it('reads a leap second as the second after it', () => {
    const leap = { ...event, time: '1998-12-31T23:59:60Z' };
    assert.ok(matches({ time: '1999-01-01' }, leap));
    assert.ok(matches({ time: { gt: '1998-12-31T23:59:59.999z' } }, leap));
  });
});

describe('A compiled filter', () => {
  const unread = new Recorded(position, Buffer.from('not JSON'));

  it('does not parse the event when it lets everything through', () => {
    assert.ok(compile(EVERYTHING)(unread));
  });

  it('does not parse the event for its position', () => {
    assert.equal(
      compile(parseFilter({ position: 8, type: 'order.paid', $text: 'late' }))(unread),
      false,
    );
    assert.ok(compile(parseFilter([{ type: 'order.paid' }, { position: 7 }]))(unread));
  });

  it('finds the words of each event, not of the one before', () => {
    const matching = compile(parseFilter({ $text: 'late' }));
    const say = (text: string): Recorded =>
      new Recorded(position, Buffer.alloc(0), { ...event, payload: { text } });
    assert.deepEqual(['late', 'early', 'late'].map(say).map(matching), [true, false, true]);
  });

  it('survives a payload nested far deeper than an accepted one', () => {
    const levels = 2_000;
    const payload = JSON.parse(`{"a":${'['.repeat(levels)}"x"${']'.repeat(levels)}}`) as JsonObject;
    assert.ok(matches({ 'payload.a': 'x', $text: 'x' }, { ...event, payload }));
  });
});

describe('The texts at a field', () => {
  it('are those that an equality compares', () => {
    const payload = { a: ['x', 3, true, null, { b: 'y' }, ['z']] };
    const record = new Recorded(position, Buffer.alloc(0), { ...event, payload });
    assert.deepEqual(textsAt('payload.a')(record), ['x', '3', 'true', 'z']);
    assert.deepEqual(textsAt('type')(record), ['order.paid']);
    assert.deepEqual(textsAt('target.topic')(record), []);
  });
});

function matches(filter: Json, candidate: Event): boolean {
  return compile(parseFilter(filter))(new Recorded(position, Buffer.alloc(0), candidate));
}

/** The oracle of the property tests is held to the same table as the predicate. */
function assertMatches(filter: Json, candidate: Event, expected: boolean): void {
  const shown = JSON.stringify(candidate.payload);
  assert.equal(matches(filter, candidate), expected, `the predicate on ${shown}`);
  assert.equal(oracle(filter, candidate, position), expected, `the oracle on ${shown}`);
}
