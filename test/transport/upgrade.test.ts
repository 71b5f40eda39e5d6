import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { eventsUrl, request, Socket } from '../support/client.js';
import { handshake } from '../support/frame.js';
import { startNode, type TestNode } from '../support/node.js';
import { exchange } from '../support/raw.js';
import type { Config } from '../../src/config.js';

const APP = 'http://app.example';

describe('Opening a WebSocket', () => {
  let node: TestNode;

  async function start(settings: Partial<Config>): Promise<void> {
    node = await startNode(settings);
  }
  afterEach(async () => {
    await node.stop();
  });

  /** The status that a handshake gets. */
  async function statusOf(workspace: string, headers: Record<string, string>): Promise<number> {
    const client = new WebSocket(
      eventsUrl(node.url, workspace).replace('http', 'ws'),
      'workspace-events.v1',
      { headers },
    );
    const opened = once(client, 'open').then(() => 101);
    const refused = once(client, 'unexpected-response').then(([, { statusCode }]) => {
      return statusCode as number;
    });
    try {
      return await Promise.race([opened, refused]);
    } finally {
      client.on('error', () => undefined);
      client.terminate();
    }
  }

  it('is for pages of the origins that are allowed, and for whoever is no page', async () => {
    await start({ corsOrigins: [APP] });
    assert.equal(await statusOf('w', { Origin: APP }), 101);
    assert.equal(await statusOf('w', {}), 101);
    for (const Origin of ['http://evil.example', `${APP}.evil.example`, 'null', '']) {
      assert.equal(await statusOf('w', { Origin }), 403, Origin);
    }
  });

  it('is for the pages of any origin where that is allowed', async () => {
    await start({ corsOrigins: ['*'] });
    assert.equal(await statusOf('w', { Origin: 'http://any.example' }), 101);
  });

  it('makes no workspace where that is not allowed', async () => {
    await start({ autoCreateWorkspaces: false });
    assert.equal(await statusOf('none', {}), 404);
    await request(`${node.url}/v2/workspaces/made`, { method: 'PUT', json: {} });
    assert.equal(await statusOf('made', {}), 101);
  });

  it('agrees to the subprotocol that is known, among others that are offered', async () => {
    await start({});
    const url = eventsUrl(node.url, 'w').replace('http', 'ws');
    const client = new WebSocket(url, ['other.v1', 'workspace-events.v1']);
    await once(client, 'open');
    assert.equal(client.protocol, 'workspace-events.v1');
    client.terminate();
  });

  it('is refused with a problem, under the correlation id of the client', async () => {
    await start({});
    const opening = handshake('/v2/workspaces', { 'X-Correlation-Id': 'c-7' });
    const [refusal] = await exchange(node.url, opening);
    assert.equal(refusal?.headers.get('x-correlation-id'), 'c-7');
    assert.equal(JSON.parse(refusal.body).correlationId, 'c-7');
  });

  it('takes frames as large as bodies may be', async () => {
    await start({ bodyBytesMax: 100_000 });
    const socket = await Socket.open(node.url, 'w');
    const text = 'x'.repeat(99_000);
    const answer = await socket.ask({ op: 'emit', events: [{ type: 'a', payload: { text } }] });
    assert.equal(answer.op, 'emitted');
    await socket.close();
  });
});
