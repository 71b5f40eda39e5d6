import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe('The source of an event', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  /** Emits with headers; gives the source that was recorded, and the header of the answer. */
  async function sourceWith(
    headers: Record<string, string>,
  ): Promise<{ source: Record<string, string>; answered: string | null }> {
    const reply = await emit(node.url, 'w', [{ type: 'a', payload: {} }], headers);
    const { position, id } = reply.body.results[0] as { position: string; id: string };
    const { body } = await request(eventsUrl(node.url, 'w', { waitFor: position, id }));
    const { source } = body.events[0].event as { source: Record<string, string> };
    return { source, answered: reply.headers.get('X-Correlation-Id') };
  }

  it('has the correlation id that the client sent, which comes back', async () => {
    const headers = { 'X-Correlation-Id': 'order-7:retry.1', traceparent: TRACEPARENT };
    const { source, answered } = await sourceWith(headers);
    assert.equal(source.correlationId, 'order-7:retry.1');
    assert.equal(answered, 'order-7:retry.1');
  });

  it('has the trace id in place of a correlation id, and the trace context as sent', async () => {
    const { source, answered } = await sourceWith({ traceparent: TRACEPARENT });
    assert.equal(source.correlationId, TRACE);
    assert.equal(source.traceparent, TRACEPARENT);
    assert.equal(answered, TRACE);
  });

  it('has a correlation id that the service made, where what came is none', async () => {
    const without: readonly Record<string, string>[] = [
      {},
      { 'X-Correlation-Id': 'a b' },
      { traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
      { traceparent: 'zz' },
    ];
    for (const headers of without) {
      const { source, answered } = await sourceWith(headers);
      assert.match(source.correlationId!, UUID);
      assert.equal(answered, source.correlationId);
      assert.ok(!('traceparent' in source));
    }
  });

  it('has who calls, in names of any language', async () => {
    const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
    const { source } = await sourceWith({
      'X-User-Id': latin1('Zoë 中'),
      'X-Session-Id': 's-1',
      'X-App': 'till/2',
    });
    const { userId, sessionId, app } = source;
    assert.deepEqual(
      { userId, sessionId, app },
      { userId: 'Zoë 中', sessionId: 's-1', app: 'till/2' },
    );
  });

  it('has no address of a machine within a network', async () => {
    const { source } = await sourceWith({ 'X-Forwarded-For': '203.0.113.7' });
    assert.ok(!('ip' in source));
    assert.equal(source.host, new URL(node.url).host);
  });

  it('has one connection id for all that a WebSocket emits', async () => {
    const socket = await Socket.open(node.url, 'ids', { 'X-User-Id': 'u' });
    const { subscription } = await socket.ask({ op: 'subscribe' });
    for (const type of ['a', 'b']) {
      await socket.ask({ op: 'emit', events: [{ type, payload: {} }] });
    }
    await socket.until('both have come', () => socket.events(subscription).length === 2);
    const [first, second] = socket.events(subscription);
    assert.match(first!.event.source.connectionId, UUID);
    assert.deepEqual(second!.event.source, first!.event.source);
    await socket.close();
  });
});
