import assert from 'node:assert/strict';
import { stayConnected } from '../flow/revocation.js';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import {
  as,
  bearer,
  configure,
  identified,
  makeKey,
  revokeKey,
  superadmin,
  token,
} from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

const DRAFT = { type: 'a', payload: {} };
const OWNER = { sub: 'u1', workspaces: { w: 'owner' } };

describe('A credential that expires', function () {
  this.timeout(30_000);

  let node: TestNode;

  before(async () => {
    node = await startNode(
      identified({
        AUTH_CLOCK_TOLERANCE_SECONDS: '0',
        AUTH_WARNING_SECONDS: '1',
        AUTH_GRACE_SECONDS: '1',
        AUTH_WAIT_SECONDS: '1',
      }),
    );
    await configure(node.url, 'w');
  });
  after(() => node.stop());

  const short = (): Promise<string> => token({ claims: OWNER, expiresIn: 2 });
  const closing = (socket: Socket): Promise<number> =>
    until('it is closed', () => socket.closed, 10_000);

  it('ends streams and polls, and a WebSocket after a warning and a grace', async () => {
    const credential = await short();
    const since = performance.now();
    const ended = await stayConnected(node.url, 'w', credential);
    const ends = await ended(since);
    assert.deepEqual(
      ends.map(({ code }) => code),
      [4401, 'unauthorized', 'unauthorized'],
    );
    const [socket, stream, poll] = ends.map(({ ms }) => ms);
    assert.ok(Math.max(stream!, poll!) <= 2100, `${stream!} ${poll!}`);
    assert.ok(socket! > Math.max(stream!, poll!) + 500 && socket! < 3300, String(socket));
  });

  it('is told of before, and can be renewed without a new connection', async () => {
    const socket = await Socket.open(node.url, 'w', bearer(await short()));
    const { subscription } = await socket.ask({ op: 'subscribe' });
    const { expiresAt, closesAt } = await socket.until('a warning', ({ op }) => op === 'expiring');
    assert.equal(Date.parse(closesAt as string) - Date.parse(expiresAt as string), 1000);
    const renewed = await socket.ask({ op: 'authenticate', token: await token({ claims: OWNER }) });
    assert.equal(renewed.op, 'authenticated');
    await until('the old one is over', () => Date.now() > Date.parse(closesAt as string) + 200);
    await socket.ask({ op: 'emit', events: [DRAFT] });
    await until('it is received', () => socket.events(subscription).length === 1);
    assert.equal(socket.closed, undefined);
    await socket.close();
  });

  it('is renewed by its user alone, and a bad one changes nothing', async () => {
    const socket = await Socket.open(node.url, 'w', bearer(await short()));
    const other = await token({ claims: { ...OWNER, sub: 'u2' } });
    for (const [credential, code] of [
      [other, 'forbidden'],
      ['x', 'unauthorized'],
      [await token({ claims: { sub: 'u1' } }), 'forbidden'],
    ] as const) {
      assert.equal((await socket.ask({ op: 'authenticate', token: credential })).code, code);
    }
    assert.equal((await socket.ask({ op: 'emit', events: [DRAFT] })).op, 'emitted');
    assert.equal(await closing(socket), 4401);
  });

  it('is waited for only so long', async () => {
    const socket = await Socket.open(node.url, 'w');
    assert.equal(await closing(socket), 4401);
    assert.deepEqual(socket.frames, []);
  });

  it('of a key ends with it', async () => {
    const expiresAt = new Date(Date.now() + 1000).toISOString();
    const { secret } = await makeKey(node.url, 'w', { role: 'owner', expiresAt });
    const ended = await stayConnected(node.url, 'w', secret);
    const codes = (await ended(performance.now())).map(({ code }) => code);
    assert.deepEqual(codes, [4401, 'unauthorized', 'unauthorized']);
    const { status, body } = await request(`${node.url}/v2/workspaces`, {
      headers: bearer(secret),
    });
    assert.deepEqual([status, (body.detail as string).includes('expired')], [401, true]);
  });
});

describe('A right that is taken away', function () {
  this.timeout(30_000);

  let node: TestNode;

  before(async () => {
    node = await startNode(identified());
  });
  after(() => node.stop());

  async function codes(workspace: string, credential: string, revoke: () => Promise<unknown>) {
    const ended = await stayConnected(node.url, workspace, credential);
    const since = performance.now();
    await revoke();
    const ends = await ended(since);
    assert.ok(Math.max(...ends.map(({ ms }) => ms)) < 1000, JSON.stringify(ends));
    return ends.map(({ code }) => code);
  }

  it('ends what is open by a key', async () => {
    await configure(node.url, 'keyed');
    const { id, secret } = await makeKey(node.url, 'keyed');
    const found = await codes('keyed', secret, () => revokeKey(node.url, 'keyed', id));
    assert.deepEqual(found, [4401, 'unauthorized', 'unauthorized']);
  });

  it('ends what is open by a membership', async () => {
    await configure(node.url, 'joined', { members: { u1: 'editor' } });
    const found = await codes('joined', await token({ claims: { sub: 'u1' } }), () =>
      configure(node.url, 'joined'),
    );
    assert.deepEqual(found, [4403, 'forbidden', 'forbidden']);
  });

  it('refuses what a revoked key still emits', async () => {
    await configure(node.url, 'emitting');
    const { id, secret } = await makeKey(node.url, 'emitting');
    const headers = { ...bearer(secret), 'Content-Type': 'application/x-ndjson' };
    let push!: (line: string | undefined) => void;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        push = (line) => {
          if (line === undefined) {
            controller.close();
          } else {
            controller.enqueue(Buffer.from(`${line}\n`));
          }
        };
      },
    });
    const streaming = fetch(eventsUrl(node.url, 'emitting'), {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    });
    push(JSON.stringify(DRAFT));
    const root = bearer(await superadmin());
    await until('the first is in', async () => {
      const query = { from: 'start' };
      const found = await request(eventsUrl(node.url, 'emitting', query), { headers: root });
      return (found.body.events as unknown[]).length === 1;
    });
    await revokeKey(node.url, 'emitting', id);
    push(JSON.stringify(DRAFT));
    push(undefined);
    const response = await streaming;
    assert.equal(response.status, 401);
    assert.match(await response.text(), /1 events were accepted before/);
  });

  it('narrows what is open, and what is given widens it, from there on', async () => {
    const reading = (read: unknown): Promise<unknown> =>
      configure(node.url, 'narrow', { roles: { reader: { read } } });
    await reading({ type: 'a' });
    const socket = await Socket.open(node.url, 'narrow', bearer(await as('reader', 'narrow', 'u')));
    const { subscription } = await socket.ask({ op: 'subscribe' });
    const root = bearer(await superadmin());
    const types = [
      [{ type: 'a' }, 'a'],
      [{ type: 'b' }, 'b'],
      [true, 'ab'],
      [{ type: 'none' }, ''],
      [{ type: ['a', 'b'] }, 'ab'],
    ] as const;
    let expected = '';
    for (const [read, given] of types) {
      await reading(read);
      await emit(
        node.url,
        'narrow',
        ['a', 'b'].map((type) => ({ ...DRAFT, type })),
        root,
      );
      expected += given;
    }
    await socket.ask({ op: 'unsubscribe', subscription });
    assert.equal(
      socket
        .events(subscription)
        .map(({ event }) => (event as { type: string }).type)
        .join(''),
      expected,
    );
    await socket.close();
  });
});
