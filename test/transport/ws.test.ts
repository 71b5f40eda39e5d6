import assert from 'node:assert/strict';
import { emit, Socket } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

describe('a WebSocket', () => {
  let node: TestNode;
  let socket: Socket;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });
  beforeEach(async () => {
    socket = await Socket.open(node.url, 'shop');
  });
  afterEach(async () => {
    await socket.close();
  });

  it('answers an emit item by item, with positions', async () => {
    const answer = await socket.ask({
      op: 'emit',
      events: [
        { id: 'w-1', type: 'order.paid', payload: { total: 12 } },
        { type: 'no payload' },
        { id: 'w-1', type: 'order.paid', payload: { total: 12 } },
      ],
    });
    assert.equal(answer.op, 'emitted');
    const [first, refused, again] = answer.results;
    assert.match(first.position, /^[0-9a-z]{8}-\d+$/);
    assert.equal(refused.error.code, 'invalid-event');
    assert.deepEqual(again, { id: 'w-1', position: first.position, duplicate: true });
  });

  it('keeps the order of what one connection emits without waiting for answers', async () => {
    const { subscription } = await socket.ask({ op: 'subscribe', from: 'now' });
    for (let n = 0; n < 500; n++) {
      socket.send({ op: 'emit', id: `e${String(n)}`, events: [{ type: 'n', payload: { n } }] });
    }
    const received = await until('all events have come', () => {
      const events = socket.events(subscription);
      return events.length === 500 && events;
    });
    assert.deepEqual(
      received.map(({ event }) => event.payload.n as number),
      Array.from({ length: 500 }, (_, n) => n),
    );
  });

  it('serves history, then live, through one filter', async () => {
    await emit(node.url, 'shop', [
      { type: 'job.began', payload: { n: 1 } },
      { type: 'x', payload: {} },
    ]);
    const { subscription } = await socket.ask({
      op: 'subscribe',
      filter: { type: 'job.*' },
      from: 'start',
    });
    await socket.until('it has caught up', (f) => f.op === 'caughtUp');
    await emit(node.url, 'shop', [
      { type: 'x', payload: {} },
      { type: 'job.ended', payload: { n: 2 } },
    ]);
    await until('both are there', () => socket.events(subscription).length === 2);
    assert.deepEqual(
      socket.events(subscription).map(({ event }) => event.type as string),
      ['job.began', 'job.ended'],
    );
  });
});
