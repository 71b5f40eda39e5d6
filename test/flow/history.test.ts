import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { searchAll } from '../support/log.js';
import { spawnNode, temporaryFolder, type NodeProcess } from '../support/node.js';
import { documentLeavesMax } from '../../src/projections/document.js';
import { until } from '../until.js';

const WORKSPACE = 'history';

/** An event that is recorded and delivered, but that no store takes. */
const REFUSED = {
  id: 'refused',
  type: 'history.made',
  payload: { values: Array.from({ length: documentLeavesMax + 1 }, () => 1) },
};
const PASSING = {
  id: 'passing',
  type: 'history.made',
  payload: {},
  options: { persist: false },
};
const plain = (id: string): unknown => ({ id, type: 'history.made', payload: {} });

describe('the history of a workspace', function () {
  this.timeout(30_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: NodeProcess;
  let last: string;
  let received: string[];

  before(async () => {
    folder = await temporaryFolder();
    node = await spawnNode({ DATA_DIR: folder.path });
    const socket = await Socket.open(node.url, WORKSPACE);
    try {
      const { subscription } = await socket.ask({ op: 'subscribe' });
      const batch = [plain('before'), REFUSED, PASSING, plain('after')];
      const { body } = await emit(node.url, WORKSPACE, batch);
      last = body.results[batch.length - 1].position as string;
      await until('all are delivered', () => socket.events(subscription).length === batch.length);
      received = socket.events(subscription).map(({ event }) => event.id as string);
    } finally {
      await socket.close();
    }
  });
  after(async () => {
    await node.end();
    await folder.remove();
  });

  const sys = (path: string, method = 'GET'): ReturnType<typeof request> =>
    request(`${node.url}/sys/${path}?workspace=${WORKSPACE}`, { method });

  async function restart(signal: NodeJS.Signals): Promise<void> {
    await node.end(signal);
    node = await spawnNode({ DATA_DIR: folder.path });
  }

  it('has all but what it may not keep, or cannot; subscribers have everything', async () => {
    assert.deepEqual(received, ['before', 'refused', 'passing', 'after']);
    const found = await searchAll(node.url, WORKSPACE, last);
    assert.deepEqual(
      found.map(({ id }) => id),
      ['after', 'before'],
    );
    const { status } = await request(`${eventsUrl(node.url, WORKSPACE)}/passing`);
    assert.equal(status, 404);
  });

  it('is what is exported, but for what only the store refuses', async () => {
    const polled = await request(eventsUrl(node.url, WORKSPACE, { from: 'start' }));
    assert.equal(polled.body.events.length, 4);
    const headers = { Accept: 'application/x-ndjson' };
    const { body } = await request(eventsUrl(node.url, WORKSPACE), { headers });
    const ids = (body as string).match(/(?<="event":\{"id":")\w+/g);
    assert.deepEqual(ids, ['before', 'refused', 'after']);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`knows what the store has refused, and why, after ${signal}`, async () => {
      await restart(signal);
      assert.deepEqual((await sys('deadletters', 'POST')).body, { replayed: 0, refused: 1 });
      const { deadLetters } = (await sys('deadletters')).body;
      assert.equal(deadLetters.length, 1);
      assert.match(deadLetters[0].reason as string, /more than 10,000 values/);
      assert.equal(JSON.parse(deadLetters[0].text as string).id, 'refused');
      const found = await searchAll(node.url, WORKSPACE, last);
      assert.deepEqual(
        found.map(({ id }) => id),
        ['after', 'before'],
      );
    });
  }
});
