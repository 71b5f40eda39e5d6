import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import type { NodeProcess } from '../support/node.js';
import { until } from '../until.js';
import { Cluster } from './cluster.js';

const WORKSPACES = 50;
const DRAFT = { type: 'order.paid', payload: {} };

/** How many events a node has carried into the history, by outcome. */
async function historized(url: string, outcome: string): Promise<number> {
  const { body } = await request(`${url}/metrics`);
  const line = new RegExp(`^events_historized_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm');
  return Number(line.exec(body as string)?.[1] ?? 0);
}

/** Emits an event and gives its position. */
async function emitOne(url: string, workspace: string): Promise<string> {
  const { status, body } = await emit(url, workspace, [DRAFT]);
  assert.equal(status, 201, JSON.stringify(body));
  return body.results[0].position as string;
}

function searchFor(url: string, workspace: string, position: string): Promise<Reply> {
  return request(eventsUrl(url, workspace, { waitFor: position, wait: '30' }));
}

describe('two nodes', function () {
  this.timeout(60_000);

  const cluster = new Cluster({ AUTO_CREATE_WORKSPACES: 'false' });
  let one: NodeProcess;
  let two: NodeProcess;

  before(async () => {
    [one, two] = [await cluster.spawn({ LOG_LEVEL: 'info' }), await cluster.spawn()];
  });
  after(() => cluster.stop());

  const names = Array.from({ length: WORKSPACES }, (_, n) => `shop-${n}`);
  const workspaceAt = (url: string, name: string, method: string): Promise<Reply> =>
    request(`${url}/v2/workspaces/${name}`, { method, ...(method === 'PUT' && { json: {} }) });

  it('take emits at once into what the other has just made', async () => {
    for (const name of names) {
      assert.equal((await workspaceAt(one.url, name, 'PUT')).status, 201);
      await emitOne(two.url, name);
    }
  });

  it('find what was emitted on the other, when they are asked to wait for it', async () => {
    for (const name of names) {
      const position = await emitOne(one.url, name);
      const { status, body } = await searchFor(two.url, name, position);
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.events[0].position, position);
    }
  });

  it('carry each event into the history once, each node its share of them', async () => {
    await until('the workspaces are divided', () => one.output().includes('"shares":32'), 20_000);
    const urls = [one.url, two.url];
    const count = (outcome: string): Promise<number[]> =>
      Promise.all(urls.map((url) => historized(url, outcome)));
    const [stored, repeated] = [await count('stored'), await count('exists')];
    for (const name of names) {
      await searchFor(two.url, name, await emitOne(one.url, name));
    }
    const byNode = (await count('stored')).map((events, node) => events - stored[node]!);
    // Beside them may be those that the nodes have recorded themselves.
    assert.ok(byNode[0]! + byNode[1]! >= WORKSPACES && Math.min(...byNode) > 0, String(byNode));
    assert.deepEqual(await count('exists'), repeated);
  });

  it('take nothing into what the other has deleted', async () => {
    for (const name of names.slice(0, 10)) {
      assert.equal((await workspaceAt(one.url, `${name}?grace=0`, 'DELETE')).status, 204);
      const { status, body } = await emit(two.url, name, [DRAFT]);
      assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
      await until('the other knows', async () => {
        return (await workspaceAt(two.url, name, 'GET')).status === 404;
      });
    }
  });

  it('end who reads what the other has deleted, and go on when it is back', async () => {
    const name = names.at(-1)!;
    const last = await emitOne(one.url, name);
    const socket = await Socket.open(two.url, name);
    try {
      const { subscription } = await socket.ask({ op: 'subscribe' });
      assert.equal((await workspaceAt(one.url, name, 'DELETE')).status, 204);
      const ended = await socket.until('it has ended', ({ op }) => op === 'ended');
      assert.deepEqual([ended.subscription, ended.code], [subscription, 'workspace-not-found']);
      const { status, body } = await emit(two.url, name, [DRAFT]);
      assert.deepEqual([status, body.code], [404, 'workspace-not-found']);

      assert.equal((await workspaceAt(two.url, `${name}/restore`, 'POST')).status, 200);
      await until('the other knows', async () => {
        return (await workspaceAt(one.url, name, 'GET')).status === 200;
      });
      const again = await socket.ask({ op: 'subscribe', from: { position: last } });
      assert.equal(again.recovered, true);
      const position = await emitOne(one.url, name);
      await socket.until('it goes on', (frame) => frame.position === position);
      const { body: page } = await searchFor(one.url, name, position);
      const found = (page.events as { position: string }[]).map((event) => event.position);
      assert.deepEqual(found.slice(0, 2), [position, last]);
    } finally {
      await socket.close();
    }
  });
});

describe('a node for clients and one for the projection', function () {
  this.timeout(60_000);

  const cluster = new Cluster();
  let api: NodeProcess;
  let projector: NodeProcess;

  before(async () => {
    api = await cluster.spawn({ ROLES: 'api' });
    projector = await cluster.spawn({ ROLES: 'projector' });
  });
  after(() => cluster.stop());

  it('do the whole together', async () => {
    const { status } = await searchFor(api.url, 'shop', await emitOne(api.url, 'shop'));
    assert.equal(status, 200);
    assert.equal(await historized(api.url, 'stored'), 0);
    assert.ok((await historized(projector.url, 'stored')) > 0);
  });

  it('serve clients, or operators alone', async () => {
    assert.equal((await emit(projector.url, 'shop', [DRAFT])).status, 404);
    assert.equal((await request(eventsUrl(projector.url, 'shop'))).status, 404);
    for (const { url } of [api, projector]) {
      assert.equal((await request(`${url}/metrics`)).status, 200);
      assert.equal((await request(`${url}/sys/readiness`)).status, 200);
    }
  });
});
