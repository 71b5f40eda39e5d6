import assert from 'node:assert/strict';
import { emit, eventsUrl, request, sse, type SseMessage } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { open, request as rawRequest } from '../support/raw.js';
import { until } from '../until.js';

const drafts = (from: number, count: number): unknown[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'n', payload: { n: from + i } }));

describe('Server-Sent Events', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode({ heartbeatSeconds: 1, positionSeconds: 1 });
  });
  after(async () => {
    await node.stop();
  });

  /** Reads until a message for which a condition holds, that one among them. */
  async function read(
    workspace: string,
    query: Record<string, string>,
    isLast: (message: SseMessage) => boolean,
    headers: Record<string, string> = {},
  ): Promise<SseMessage[]> {
    const stopping = new AbortController();
    const messages: SseMessage[] = [];
    const url = eventsUrl(node.url, workspace, query);
    for await (const message of sse(url, { signal: stopping.signal, headers })) {
      messages.push(message);
      if (isLast(message)) {
        break;
      }
    }
    stopping.abort();
    return messages;
  }

  const caughtUp = ({ event }: SseMessage): boolean => event === 'caught-up';
  const numbers = (messages: readonly SseMessage[]): number[] =>
    messages
      .filter(({ event }) => event === 'message')
      .map(({ data }) => data.event.payload.n as number);

  it('begin with where they stand, go through history, and say when they are live', async () => {
    await emit(node.url, 'order', drafts(0, 3));
    const messages = await read('order', { from: 'start' }, caughtUp);
    const [first, ...others] = messages;
    const { epoch } = await node.service.log.bounds('order');
    assert.deepEqual(first, {
      event: 'recovery',
      id: undefined,
      data: { recovered: true, cursor: `${epoch}-start` },
    });
    assert.deepEqual(numbers(others), [0, 1, 2]);
    assert.deepEqual(others.at(-1), {
      event: 'caught-up',
      id: `${epoch}-2`,
      data: { cursor: `${epoch}-2` },
    });
  });

  it('have the cursor of each as its id, also where many come at once', async () => {
    await emit(node.url, 'ids', drafts(0, 100));
    const messages = await read('ids', { from: 'start' }, caughtUp);
    const events = messages.filter(({ event }) => event === 'message');
    assert.deepEqual(
      events.map(({ id }) => id),
      events.map(({ data }) => data.position as string),
    );
    assert.equal(new Set(events.map(({ id }) => id)).size, 100);
  });

  it('go on where a browser was, whatever its URL says', async () => {
    await emit(node.url, 'resume', drafts(0, 5));
    const { epoch } = await node.service.log.bounds('resume');
    const headers = { 'Last-Event-ID': `${epoch}-2` };
    for (const query of [{}, { from: 'start' }, { after: `${epoch}-start` }]) {
      const [first, ...messages] = await read('resume', query, caughtUp, headers);
      assert.equal(first!.data.recovered, true);
      assert.deepEqual(numbers(messages), [3, 4]);
    }
  });

  it('begin with the last, or at a time', async () => {
    await emit(node.url, 'begin', drafts(0, 5));
    for (const [from, expected] of [
      ['last:2', [3, 4]],
      ['2001-01-15T08:30:00Z', [0, 1, 2, 3, 4]],
      ['2100-01-01T00:00:00Z', []],
      ['now', []],
    ] as const) {
      assert.deepEqual(numbers(await read('begin', { from }, caughtUp)), expected, from);
    }
  });

  it('tell that the position of a browser is lost, and go on with what there is', async () => {
    await emit(node.url, 'lost', drafts(0, 2));
    const headers = { 'Last-Event-ID': 'aaaaaaaa-7' };
    const { epoch } = await node.service.log.bounds('lost');
    const [first, ...messages] = await read('lost', {}, caughtUp, headers);
    const { event, data } = first!;
    const told = { recovered: false, reason: 'other-epoch', first: `${epoch}-0` };
    assert.deepEqual({ event, data }, { event: 'recovery', data: told });
    assert.deepEqual(numbers(messages), [0, 1]);
  });

  it('give what matches, and a position from time to time where nothing does', async () => {
    let isLive = false;
    const messages = await read('filter', { type: 'wanted' }, (message) => {
      if (caughtUp(message) && !isLive) {
        isLive = true;
        void emit(node.url, 'filter', drafts(0, 3));
      }
      return message.event === 'position' && message.id?.endsWith('-2') === true;
    });
    assert.deepEqual(numbers(messages), []);
  });

  it('have a heartbeat, a comment that no reader takes for an event', async () => {
    const socket = open(node.url);
    let received = '';
    socket.on('data', (part) => {
      received += part.toString();
    });
    const headers = { Accept: 'text/event-stream', Connection: 'keep-alive' };
    socket.write(rawRequest('GET', '/v2/workspaces/beat/events', headers));
    await until('two have come', () => received.split('\r\n:\n\n\r\n').length > 2);
    socket.destroy();
    assert.match(received, /content-type: text\/event-stream; charset=utf-8/i);
    assert.match(received, /cache-control: no-store/i);
  });

  it('end with an error where the workspace is deleted', async () => {
    await emit(node.url, 'gone', drafts(0, 1));
    const messages = await read('gone', { from: 'start' }, (message) => {
      if (caughtUp(message)) {
        void request(`${node.url}/v2/workspaces/gone`, { method: 'DELETE' });
      }
      return message.event === 'error';
    });
    assert.equal(messages.at(-1)!.data.code, 'workspace-not-found');
  });

  it('refuse before they begin, as any request does', async () => {
    const url = eventsUrl(node.url, 'order', { after: 'x' });
    const { status, body } = await request(url, { headers: { Accept: 'text/event-stream' } });
    assert.deepEqual([status, body.code], [400, 'invalid-cursor']);
  });
});
