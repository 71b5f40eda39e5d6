import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket as NetSocket } from 'node:net';
import { WebSocket } from 'ws';
import { eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { bearer, configure, identified, token } from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { exchange, open, request as raw } from '../support/raw.js';
import { until } from '../until.js';

const WAITING_MAX = 3;
const SOCKETS_MAX = 10;

describe('Sockets', function () {
  this.timeout(20_000);

  let node: TestNode;
  let small: TestNode | undefined;

  before(async () => {
    node = await startNode(
      identified({
        WAITING_SOCKETS_MAX: String(WAITING_MAX),
        BODY_SECONDS_MAX: '1',
      }),
    );
    await configure(node.url, 'w');
  });
  after(async () => {
    await node.stop();
    await small?.stop();
  });

  const known = async (): Promise<Record<string, string>> =>
    bearer(await token({ claims: { sub: 'u1', workspaces: { w: 'owner' } } }));
  const connected = async (first = ''): Promise<NetSocket> => {
    const socket = open(node.url);
    await once(socket, 'connect');
    socket.write(first);
    return socket;
  };
  const metricsOf = async (): Promise<{ text: string }> => {
    const headers = bearer(await token({ claims: { sub: 'root', superadmin: true } }));
    return { text: (await request(`${node.url}/metrics`, { headers })).body as string };
  };

  it('that wait the longest for a request make room for new ones', async () => {
    const waiting: NetSocket[] = [];
    for (let n = 0; n < WAITING_MAX; n++) {
      waiting.push(await connected(n === 0 ? 'GET / HT' : ''));
    }
    const closed = once(waiting[0]!, 'close');
    const [answer] = await exchange(node.url, raw('GET', '/sys/healthcheck'));
    assert.equal(answer!.status, 200);
    await closed;
    assert.match((await metricsOf()).text, /^sockets_dropped_total\{because="idle"\} [1-9]/m);
    waiting.forEach((socket) => socket.destroy());
  });

  it('are kept without a request for longer than proxies keep theirs', async () => {
    const { headers } = await request(`${node.url}/sys/healthcheck`);
    const [, seconds] = /timeout=(\d+)/.exec(headers.get('Keep-Alive')!)!;
    assert.ok(Number(seconds) > 60, seconds);
  });

  it('on which a request is being answered make room for none', async () => {
    const stream = await Socket.open(node.url, 'w', await known());
    const poll = request(eventsUrl(node.url, 'w', { from: 'now', wait: '2' }), {
      headers: await known(),
    });
    const waiting: NetSocket[] = [];
    for (let n = 0; n < 2 * WAITING_MAX; n++) {
      waiting.push(await connected());
    }
    assert.equal((await poll).status, 200);
    assert.equal(
      (await stream.ask({ op: 'emit', events: [{ type: 'a', payload: {} }] })).op,
      'emitted',
    );
    await stream.close();
    waiting.forEach((socket) => socket.destroy());
  });

  it('of WebSockets that do not say who they are make room, but those that did stay', async () => {
    const known = await Socket.open(node.url, 'w');
    const credential = await token({ claims: { sub: 'u1', workspaces: { w: 'owner' } } });
    await known.ask({ op: 'authenticate', token: credential });
    const silent: Socket[] = [];
    for (let n = 0; n < WAITING_MAX + 1; n++) {
      silent.push(await Socket.open(node.url, 'w'));
    }
    await until('the first has gone', () => silent[0]!.closed === 1006);
    assert.deepEqual(
      silent.slice(1).map(({ closed }) => closed),
      Array(WAITING_MAX).fill(undefined),
    );
    assert.equal((await known.ask({ op: 'subscribe' })).op, 'subscribed');
    await Promise.all([known, ...silent].map((socket) => socket.close()));
  });

  it('take no long first frame of who is not known', async () => {
    const ws = new WebSocket(eventsUrl(node.url, 'w').replace('http', 'ws'));
    await once(ws, 'open');
    ws.send(JSON.stringify({ op: 'authenticate', token: 'x'.repeat(200_000) }));
    const [code, reason] = (await once(ws, 'close')) as [number, Buffer];
    assert.deepEqual(
      [code, reason.toString()],
      [4413, 'A first frame has at most 16384 bytes: a token.'],
    );
  });

  it('take a first frame that is followed by long ones at once', async () => {
    const credential = await token({ claims: { sub: 'u1', workspaces: { w: 'owner' } } });
    const socket = await Socket.open(node.url, 'w');
    socket.send({ op: 'authenticate', id: 'a', token: credential });
    const events = [{ type: 'a', payload: { text: 'x'.repeat(100_000) } }];
    assert.equal((await socket.ask({ op: 'emit', events })).op, 'emitted');
    await socket.close();
  });

  it('of a body that does not come in time are answered so', async () => {
    const socket = await connected();
    const headers = {
      ...(await known()),
      'Content-Type': 'application/json',
      'Content-Length': '100',
    };
    socket.write(raw('POST', '/v2/workspaces/w/events', headers, '{"type":'));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    assert.match(chunk.toString(), /^HTTP\/1\.1 408 [\s\S]*The body has not come within 1 seconds/);
    await once(socket, 'close');
  });

  it('are no more than so many', async () => {
    small = await startNode({ socketsMax: SOCKETS_MAX });
    const { url } = small;
    const streams: Socket[] = [];
    const full = async (): Promise<boolean> => {
      try {
        streams.push(await Socket.open(url, 'w'));
        return false;
      } catch {
        return true;
      }
    };
    await until('one is refused', full);
    assert.equal(streams.length, SOCKETS_MAX);
    await streams.pop()!.close();
    await until('there is room again', async () => !(await full()));
    await Promise.all(streams.map((socket) => socket.close()));
    const told = async (): Promise<Reply | undefined> =>
      request(`${url}/metrics`).catch(() => undefined);
    const { body } = await until('metrics are told', told);
    assert.match(body as string, /^sockets_dropped_total\{because="all"\} [1-9]/m);
  });
});
