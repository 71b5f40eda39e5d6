import assert from 'node:assert/strict';
import { emit, eventsUrl, request } from '../support/client.js';
import { Gate } from '../support/backends.js';
import { startNode, type TestNode } from '../support/node.js';
import { open, request as raw } from '../support/raw.js';
import { until } from '../until.js';

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
});
