import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { bearer, configure, identified, makeKey, superadmin, token } from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { exchange, request as raw } from '../support/raw.js';
import { until } from '../until.js';

const DRAFT = { type: 'a', payload: {} };

describe('A node that knows its callers', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode(identified());
    await configure(node.url, 'w');
  });
  after(() => node.stop());

  const list = (headers: Record<string, string>): Promise<Reply> =>
    request(`${node.url}/v2/workspaces`, { headers });

  it('tells who says nothing how to say it, and who says it wrong that it is wrong', async () => {
    const nothing = await list({});
    assert.equal(nothing.status, 401);
    assert.equal(nothing.headers.get('WWW-Authenticate'), 'Bearer realm="workspace-events"');
    const wrong = await list(bearer('x'));
    assert.match(wrong.headers.get('WWW-Authenticate')!, /, error="invalid_token"$/);
  });

  it('takes a token or a key in the header for it, and a key in one of its own', async () => {
    const { secret } = await makeKey(node.url, 'w');
    const ways = [bearer(secret), { 'X-API-Key': secret }, bearer(await superadmin())];
    for (const headers of [...ways, { Authorization: `bearer  ${secret}` }]) {
      assert.equal((await list(headers)).status, 200, JSON.stringify(headers));
    }
  });

  it('never takes a credential that does not count for none', async () => {
    const { secret } = await makeKey(node.url, 'w');
    const wrong: Record<string, string>[] = [
      bearer('x'),
      { Authorization: 'Basic dTpw' },
      { Authorization: 'Bearer' },
      { 'X-API-Key': 'x' },
      { 'X-API-Key': `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}` },
      { 'X-API-Key': secret, ...bearer(await superadmin()) },
      { 'X-API-Key': `wek_${'0'.repeat(16)}_${'A'.repeat(43)}` },
    ];
    for (const headers of wrong) {
      const { status, body } = await request(`${node.url}/sys/healthcheck`, { headers });
      assert.deepEqual([status, body.code], [401, 'unauthorized'], JSON.stringify(headers));
    }
  });

  it('refuses a credential that comes twice, and one in the query string', async () => {
    const [twice] = await exchange(
      node.url,
      Buffer.concat([
        Buffer.from('GET /v2/workspaces HTTP/1.1\r\nHost: a\r\nConnection: close\r\n'),
        Buffer.from('Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n'),
      ]),
    );
    assert.equal(twice!.status, 400);
    const [query] = await exchange(node.url, raw('GET', '/v2/workspaces/w/events?token=x'));
    assert.equal(query!.status, 401);
  });

  it('takes what others say of a caller from nobody', async () => {
    const headers = { 'X-User-Id': 'root', 'X-Superadmin': 'true', 'X-Workspaces': 'w=owner' };
    assert.equal((await list(headers)).status, 401);
    const claims = { sub: 'u1', workspaces: { w: 'member' } };
    const own = { ...headers, ...bearer(await token({ claims })) };
    const { body } = await emit(node.url, 'w', [DRAFT], own);
    const { position } = body.results[0] as { position: string };
    const found = await request(eventsUrl(node.url, 'w', { waitFor: position }), { headers: own });
    assert.equal(found.body.events[0].event.source.userId, 'u1');
  });

  it('makes no workspace by itself, unless it is told to', async () => {
    const headers = bearer(await superadmin());
    const { status } = await emit(node.url, 'mistyped', [DRAFT], headers);
    assert.equal(status, 404);
  });

  describe('over a WebSocket', () => {
    const connect = async (...protocols: string[]): Promise<WebSocket> => {
      const address = eventsUrl(node.url, 'w').replace('http', 'ws');
      const ws = new WebSocket(address, ['workspace-events.v1', ...protocols]);
      await once(ws, 'open');
      return ws;
    };

    it('takes a credential as a second subprotocol, and does not say it back', async () => {
      const ws = await connect(`bearer.${await superadmin()}`);
      assert.equal(ws.protocol, 'workspace-events.v1');
      ws.terminate();
      await assert.rejects(connect('bearer.x'), /401/);
    });

    it('takes a credential in the first frame; the frames behind it wait', async () => {
      const socket = await Socket.open(node.url, 'w');
      const asked = [
        socket.ask({ op: 'authenticate', token: await superadmin() }),
        socket.ask({ op: 'emit', events: [DRAFT] }),
        socket.ask({ op: 'subscribe' }),
      ];
      const ops = (await Promise.all(asked)).map(({ op }) => op);
      assert.deepEqual(ops, ['authenticated', 'emitted', 'subscribed']);
      await socket.close();
    });

    it('closes on whoever begins with something else, or with what does not count', async () => {
      for (const frame of [{ op: 'subscribe' }, { op: 'authenticate', token: 'x' }, { op: 'x' }]) {
        const socket = await Socket.open(node.url, 'w');
        const { code } = await socket.ask(frame);
        await until('it is closed', () => socket.closed !== undefined);
        const closeCode = frame.op === 'x' ? 4400 : 4401;
        assert.deepEqual([code === 'unauthorized', socket.closed], [closeCode === 4401, closeCode]);
      }
    });

    it('tells nobody whether a workspace exists', async () => {
      for (const workspace of ['w', 'nobodys']) {
        const socket = await Socket.open(node.url, workspace);
        const claims = { sub: 'u', workspaces: { other: 'owner' } };
        const { code } = await socket.ask({ op: 'authenticate', token: await token({ claims }) });
        assert.equal(code, 'forbidden');
        await until('it is closed', () => socket.closed !== undefined);
        assert.equal(socket.closed, 4403);
      }
    });
  });
});

describe('A node behind a gateway', () => {
  let node: TestNode;
  let other: TestNode;

  before(async () => {
    node = await startNode(identified({ AUTH_TRUSTED_PROXIES: '::1,127.0.0.0/8' }));
    other = await startNode(identified({ AUTH_TRUSTED_PROXIES: '10.0.0.0/8,fc00::/7' }));
    await configure(node.url, 'w');
    await configure(other.url, 'w');
  });
  after(async () => {
    await node.stop();
    await other.stop();
  });

  const OWNER = { 'X-User-Id': 'u1', 'X-Workspaces': 'w=owner, v=member' };

  it('takes its word for who is calling', async () => {
    const { status, body } = await request(`${node.url}/v2/workspaces`, { headers: OWNER });
    assert.equal(status, 200);
    const { workspaces } = body as { workspaces: { id: string }[] };
    assert.deepEqual(
      workspaces.map(({ id }) => id),
      ['w'],
    );
    const root = { 'X-User-Id': 'r', 'X-Superadmin': 'true' };
    assert.equal((await request(`${node.url}/metrics`, { headers: root })).status, 200);
    assert.equal((await request(`${node.url}/metrics`, { headers: OWNER })).status, 403);
  });

  it('takes the same from no other address', async () => {
    assert.equal((await request(`${other.url}/v2/workspaces`, { headers: OWNER })).status, 401);
  });

  it('takes nobody for somebody where the gateway says nothing', async () => {
    assert.equal((await request(`${node.url}/v2/workspaces`)).status, 401);
  });

  it('refuses two that say who is calling', async () => {
    const headers = { ...OWNER, ...bearer(await superadmin()) };
    const { status, body } = await request(`${node.url}/v2/workspaces`, { headers });
    assert.deepEqual([status, body.code], [401, 'unauthorized']);
  });

  it('refuses what it cannot read, and says which header that is', async () => {
    for (const [name, value] of [
      ['X-Superadmin', 'yes'],
      ['X-Workspaces', 'w'],
      ['X-Workspaces', 'w=owner=x'],
      ['X-Topics', 'a,,b'],
      ['X-User-Id', 'key:1'],
    ] as const) {
      const headers = { [name]: value };
      const { status, body } = await request(`${node.url}/v2/workspaces`, { headers });
      assert.deepEqual([status, body.errors[0].path], [400, name.toLowerCase()], value);
    }
  });
});

describe('A node without authentication', () => {
  it('takes everybody for a superadmin, but refuses a credential that does not count', async () => {
    const node = await startNode();
    try {
      assert.equal((await request(`${node.url}/metrics`)).status, 200);
      const { status } = await request(`${node.url}/metrics`, { headers: bearer('x') });
      assert.equal(status, 401);
    } finally {
      await node.stop();
    }
  });
});

describe('A port for operators', () => {
  it('serves them without a credential, and the other port serves them no more', async () => {
    const node = await startNode({ ...identified(), adminPort: 0 });
    const admin = node.adminUrl!;
    try {
      for (const path of ['/metrics', '/sys/logging', '/sys/healthcheck', '/sys/readiness']) {
        assert.equal((await request(admin + path)).status, 200, path);
      }
      const headers = bearer(await superadmin());
      assert.equal((await request(`${node.url}/metrics`, { headers })).status, 404);
      assert.equal((await request(`${node.url}/sys/readiness`)).status, 200);
      assert.equal((await request(`${admin}/v2/workspaces`)).status, 404);
    } finally {
      await node.stop();
    }
  });
});
