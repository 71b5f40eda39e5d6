import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { bearer, identified, superadmin, token } from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

const DRAFT = { type: 'a', payload: {} };
const drafts = (count: number): unknown[] => Array<unknown>(count).fill(DRAFT);

describe('Quotas over the wire', function () {
  this.timeout(30_000);

  let node: TestNode;
  let workspace: string;
  let made = 0;

  before(async () => {
    node = await startNode(identified());
  });
  after(() => node.stop());

  beforeEach(() => {
    workspace = `w${String(made++)}`;
  });

  const put = async (quotas: unknown, credential?: string, more = {}): Promise<Reply> =>
    request(`${node.url}/v2/workspaces/${workspace}`, {
      method: 'PUT',
      json: { ...(quotas !== undefined && { quotas }), ...more },
      headers: bearer(credential ?? (await superadmin())),
    });
  const owner = (sub = 'alice'): Promise<string> =>
    token({ claims: { sub, workspaces: { [workspace]: 'owner' } } });
  const headers = async (sub?: string): Promise<Record<string, string>> => bearer(await owner(sub));
  const search = async (): Promise<Reply> =>
    request(eventsUrl(node.url, workspace, { limit: '1' }), { headers: await headers() });

  it('refuse events beyond them with 429, and take them once there is room again', async () => {
    await put({ caller: { eventsPerSecond: 2 } });
    assert.equal((await emit(node.url, workspace, drafts(2), await headers())).status, 201);
    const refused = await emit(node.url, workspace, drafts(1), await headers());
    assert.equal(refused.status, 429);
    assert.equal(refused.body.code, 'quota-exceeded');
    assert.match(refused.body.detail as string, /^You have 2 events a second on a node/);
    assert.equal(refused.headers.get('Retry-After'), '1');
    // The refusal comes late, so by now there is room.
    assert.equal((await emit(node.url, workspace, drafts(1), await headers())).status, 201);
    assert.equal((await emit(node.url, workspace, drafts(1), await headers('bob'))).status, 201);
  });

  it('count a body that has no event as one', async () => {
    await put({ caller: { eventsPerSecond: 1 } });
    const empty = { json: { events: [{ type: 7 }], more: 1 }, headers: await headers() };
    assert.equal((await request(eventsUrl(node.url, workspace), empty)).status, 422);
    assert.equal((await request(eventsUrl(node.url, workspace), empty)).status, 429);
  });

  it('refuse bytes beyond them', async () => {
    await put({ caller: { bytesPerSecond: 100 } });
    const large = [{ type: 'a', payload: { text: 'x'.repeat(250) } }];
    assert.equal((await emit(node.url, workspace, large, await headers())).status, 201);
    const refused = await emit(node.url, workspace, large, await headers());
    assert.match(
      refused.body.detail as string,
      /^You have 100 bytes a second.* again in [23] s\.$/,
    );
  });

  it('read an NDJSON upload as fast as they let it through, and lose nothing of it', async () => {
    await put({ caller: { eventsPerSecond: 20 } });
    const body = Array.from({ length: 45 }, () => `${JSON.stringify(DRAFT)}\n`).join('');
    const type = { 'Content-Type': 'application/x-ndjson', ...(await headers()) };
    const upload = (): Promise<Reply> =>
      request(eventsUrl(node.url, workspace), { method: 'POST', body, headers: type });
    const began = performance.now();
    const first = await upload();
    const second = await upload();
    assert.deepEqual([first.body.accepted, second.body.accepted], [45, 45]);
    assert.ok(performance.now() - began >= 1000, 'the second one did not wait');
  });

  it('refuse searches beyond them, and no emit for it', async () => {
    await put({ caller: { searchesPerSecond: 2 } });
    assert.deepEqual([(await search()).status, (await search()).status], [200, 200]);
    const refused = await search();
    assert.match(refused.body.detail as string, /^You have 2 searches a second/);
    assert.equal((await emit(node.url, workspace, drafts(1), await headers())).status, 201);
  });

  it('answer a frame beyond them with an error, and go on with the socket', async () => {
    await put({ caller: { eventsPerSecond: 4 } });
    const socket = await Socket.open(node.url, workspace, await headers());
    const answers = await Promise.all(
      [3, 3, 3].map((count) => socket.ask({ op: 'emit', events: drafts(count) })),
    );
    assert.deepEqual(
      answers.map(({ op, code }) => (op === 'error' ? (code as string) : op)),
      ['emitted', 'emitted', 'quota-exceeded'],
    );
    assert.ok([1, 2].includes(answers[2]!.retryAfter as number));
    const again = async (): Promise<boolean> =>
      (await socket.ask({ op: 'emit', events: drafts(1) })).op === 'emitted';
    await until('there is room again', again, 10_000);
    await socket.close();
  });

  it('count frames that bring no event', async () => {
    await put({ caller: { eventsPerSecond: 3 } });
    const socket = await Socket.open(node.url, workspace, await headers());
    for (let n = 0; n < 4; n++) {
      socket.send({ op: 'nothing', id: n });
    }
    await until('all are answered', () => socket.frames.length === 4);
    assert.deepEqual(
      socket.frames.map(({ code }) => code as string),
      [...Array<string>(3).fill('invalid-frame'), 'quota-exceeded'],
    );
    await socket.close();
  });

  it('bound the connections of a caller, however they came to be known', async () => {
    await put({ caller: { connections: 2 } });
    const first = await Socket.open(node.url, workspace, await headers());
    const second = await Socket.open(node.url, workspace);
    const known = await second.ask({ op: 'authenticate', token: await owner() });
    assert.equal(known.op, 'authenticated');
    await assert.rejects(Socket.open(node.url, workspace, await headers()), /429/);
    const third = await Socket.open(node.url, workspace);
    const full = await third.ask({ op: 'authenticate', token: await owner() });
    assert.equal(full.code, 'limit-exceeded');
    await until('it is closed', () => third.closed === 4429);
    const poll = async (): Promise<number> => {
      const url = eventsUrl(node.url, workspace, { from: 'now', wait: '0' });
      return (await request(url, { headers: await headers() })).status;
    };
    assert.equal(await poll(), 429);
    await first.close();
    await until('its place is free', async () => (await poll()) === 200);
    await second.close();
  });

  it('bound subscriptions, and give their places back', async () => {
    await put({ workspace: { subscriptions: 2 } });
    const socket = await Socket.open(node.url, workspace, await headers());
    const { subscription } = await socket.ask({ op: 'subscribe' });
    await socket.ask({ op: 'subscribe' });
    assert.equal((await socket.ask({ op: 'subscribe' })).code, 'limit-exceeded');
    await socket.ask({ op: 'unsubscribe', subscription });
    assert.equal((await socket.ask({ op: 'subscribe' })).op, 'subscribed');
    await socket.close();
    const next = await Socket.open(node.url, workspace, await headers());
    const subscribed = async (): Promise<boolean> =>
      (await next.ask({ op: 'subscribe' })).op === 'subscribed';
    await until('the places are free', subscribed);
    await next.close();
  });

  it('are changed by superadmins alone, and sent back by who manages the workspace', async () => {
    const quotas = { caller: { eventsPerSecond: 5 } };
    assert.equal((await put(quotas)).status, 201);
    for (const changed of [{ caller: { eventsPerSecond: 6 } }, undefined]) {
      const refused = await put(changed, await owner());
      assert.deepEqual([refused.status, refused.body.errors[0].path], [403, 'quotas']);
    }
    assert.equal((await put(quotas, await owner(), { description: 'new' })).status, 200);
    for (const wrong of [
      { caller: { eventsPerSecond: 0 } },
      { callers: {} },
      { caller: { x: 1 } },
    ]) {
      assert.equal((await put(wrong)).status, 422, JSON.stringify(wrong));
    }
  });
});
