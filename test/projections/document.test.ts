import assert from 'node:assert/strict';
import type { Event, JsonObject } from '../../src/event.js';
import {
  contentsOf,
  documentLeavesMax,
  pathLengthMax,
  textWords,
  wordLengthMax,
  words,
} from '../../src/projections/document.js';

function eventWith(payload: JsonObject): Event {
  return {
    id: 'e1',
    type: 'order.paid',
    workspaceId: 'w1',
    time: '2001-01-15T00:30:00Z',
    createdAt: '2001-01-15T00:30:00.000Z',
    source: { workspaceId: 'w1', correlationId: 'c1', connectionId: 'k1' },
    target: { topic: 'news' },
    payload,
  };
}

const inPayload = ({ path }: { path: string }): boolean => path.startsWith('payload.');
const leavesOf = (payload: JsonObject): string[] =>
  contentsOf(eventWith(payload))
    .leaves.filter(inPayload)
    .map(({ path, value }) => `${path} ${JSON.stringify(value)}`)
    .sort();
const pathsOf = (payload: JsonObject): string[] =>
  [...contentsOf(eventWith(payload)).paths].filter((path) => inPayload({ path })).sort();

describe('The leaves of an event', () => {
  it('are the scalars of source, target and payload', () => {
    const found = contentsOf(eventWith({ a: { b: 1 } })).leaves.map(({ path }) => path);
    assert.deepEqual(found.toSorted(), [
      'payload.a.b',
      'source.connectionId',
      'source.correlationId',
      'source.workspaceId',
      'target.topic',
    ]);
  });

  it('keep their type, and leave null out', () => {
    const found = leavesOf({ a: '1', b: 1, c: true, d: null, e: { f: null } });
    assert.deepEqual(found, ['payload.a "1"', 'payload.b 1', 'payload.c true']);
  });

  it('stand where their arrays stand', () => {
    const found = leavesOf({ a: [1, [2, null, []], { b: [3] }] });
    assert.deepEqual(found, ['payload.a 1', 'payload.a 2', 'payload.a.b 3']);
  });

  it('have the same path for a key with a dot as for two keys', () => {
    assert.deepEqual(leavesOf({ 'a.b': 1 }), leavesOf({ a: { b: 1 } }));
  });

  it('take own keys of any name', () => {
    const payload = JSON.parse('{"__proto__":{"constructor":1},"":2}') as JsonObject;
    assert.deepEqual(leavesOf(payload), ['payload. 2', 'payload.__proto__.constructor 1']);
  });

  it(`are refused with a reason when there are over ${String(documentLeavesMax)}`, () => {
    const ones = (count: number): JsonObject => ({ a: Array.from({ length: count }, () => 1) });
    assert.equal(
      contentsOf(eventWith(ones(documentLeavesMax - 4))).leaves.length,
      documentLeavesMax,
    );
    const reason = /^Error: has more than 10,000 values to index$/;
    assert.throws(() => contentsOf(eventWith(ones(documentLeavesMax - 3))), reason);
  });

  it('are not sought past what a filter can name, however deep the event is', () => {
    const levels = 100_000;
    const payload = JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels)) as JsonObject;
    assert.deepEqual(leavesOf(payload), []);
    assert.equal(pathsOf(payload).length, (pathLengthMax - 'payload'.length - 1) / '.a'.length);
    assert.deepEqual(leavesOf({ a: JSON.parse('['.repeat(levels) + ']'.repeat(levels)) }), []);
  });
});

describe('The paths of an event', () => {
  it('are where there is anything, objects too, each once', () => {
    const found = pathsOf({ a: [{ b: 1 }, { b: 2 }], c: {}, d: [[{}]] });
    assert.deepEqual(found, ['payload.a', 'payload.a.b', 'payload.c', 'payload.d']);
  });

  it('are not where there is nothing', () => {
    assert.deepEqual(pathsOf({ a: null, b: [], c: [null, [[]]] }), []);
  });

  it('are refused with a reason when there are too many, with no leaf among them', () => {
    const keys = Array.from({ length: documentLeavesMax + 1 }, (_, index) => String(index));
    const payload = Object.fromEntries(keys.map((key) => [key, {}]));
    assert.throws(() => contentsOf(eventWith(payload)), /has more than 10,000 values to index/);
  });
});

describe('The words of a text', () => {
  it('are runs of letters, marks and digits in lower case', () => {
    assert.deepEqual(words('Flight AA-17, Zürich—北京!'), ['flight', 'aa', '17', 'zürich', '北京']);
    assert.deepEqual(words(' .,*'), []);
  });

  it('are the same however their characters are composed', () => {
    assert.deepEqual(words('e\u0301 ﬁ ｘ ²'), words('é fi x 2'));
  });

  it(`are cut to ${String(wordLengthMax)} code points`, () => {
    assert.deepEqual(words('𐐨'.repeat(1_000)), ['𐐨'.repeat(wordLengthMax)]);
    assert.deepEqual(words('x'.repeat(wordLengthMax)), ['x'.repeat(wordLengthMax)]);
  });

  it('are gathered from all texts of the payload, not from its keys or numbers', () => {
    const event = eventWith({ key: 'Late', a: [{ b: 'arrival late' }, 17, null, true] });
    assert.deepEqual([...textWords(event)].sort(), ['arrival', 'late']);
  });
});
