import assert from 'node:assert/strict';
import { emit, eventsUrl, request } from '../support/client.js';
import { Gate } from '../support/backends.js';
import { handshake, text } from '../support/frame.js';
import { startNode, type TestNode } from '../support/node.js';
import { open, request as raw } from '../support/raw.js';
import { until } from '../until.js';

/** They come with one read, and are looked at for longer than until their client has gone. */
const FRAMES = 1_000;

describe('a client that vanishes before its subscription is open', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  const ways: [workspace: string, accept: string, query: Record<string, string>][] = [
    ['stream', 'text/event-stream', {}],
    ['export', 'application/x-ndjson', {}],
    ['poll', 'application/json', { from: 'now', wait: '60' }],
  ];
  for (const [workspace, accept, query] of ways) {
    it(`leaves nothing behind: ${workspace}`, async () => {
      const { log, subscriptions } = node.service;
      await emit(node.url, workspace, [{ type: 'order.paid', payload: {} }]);
      const gate = new Gate();
      const bounds = log.bounds.bind(log);
      log.bounds = async (of) => {
        await gate.pass();
        return bounds(of);
      };
      const { pathname, search } = new URL(eventsUrl(node.url, workspace, query));
      const socket = open(node.url);
      socket.write(raw('GET', pathname + search, { Accept: accept }));
      await gate.reached;
      socket.destroy();
      // By the time of these answers the node has been told.
      await request(`${node.url}/sys/healthcheck`);
      await request(`${node.url}/sys/healthcheck`);
      log.bounds = bounds;
      gate.open();
      const tail = await until('the subscription is open', () =>
        subscriptions.tails().find((one) => one.workspace === workspace),
      );
      await until('it is gone', async () => {
        const { body } = await request(`${node.url}/metrics`);
        return !/^subscribers\{.*\} [1-9]/m.test(body as string);
      });
      assert.equal(tail.fanout.size, 0);
    });
  }

  it('leaves nothing behind: frames of a WebSocket that come to their turn later', async () => {
    const workspace = 'frames';
    const first = text({ op: 'unsubscribe', subscription: 'none' });
    const last = text({ op: 'emit', events: [{ type: 'order.paid', payload: {} }] });
    const socket = open(node.url);
    socket.write(
      Buffer.concat([
        handshake(`/v2/workspaces/${workspace}/events`),
        ...Array<Buffer>(FRAMES).fill(first),
        text({ op: 'subscribe' }),
        last,
      ]),
      () => socket.destroy(),
    );
    await until('what it has sent is recorded', async () => {
      const { body } = await request(eventsUrl(node.url, workspace, { type: 'order.paid' }));
      return body.events?.length === 1;
    });
    const { subscriptions } = node.service;
    assert.ok(!subscriptions.tails().some((one) => one.workspace === workspace));
  });
});
