import assert from 'node:assert/strict';
import { emit, eventsUrl, request, type Reply } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

describe('The rebuild of a history', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  const ask = (method: string, workspace: string, url = node.url): Promise<Reply> =>
    request(`${url}/v2/workspaces/${workspace}/rebuild`, { method });
  const rebuilt = (workspace: string, generation: number): Promise<boolean> =>
    until('it is rebuilt', async () => {
      const { body } = await ask('GET', workspace);
      return body.generation === generation && body.rebuilding === undefined;
    });

  it('is begun, watched to its end, and found in the searches', async () => {
    const { body: emitted } = await emit(node.url, 'w', [{ id: 'a', type: 'a', payload: {} }]);
    const waitFor = emitted.results[0].position as string;
    assert.equal((await request(eventsUrl(node.url, 'w', { waitFor }))).status, 200);
    const { status, body } = await ask('POST', 'w');
    assert.equal(status, 202);
    assert.equal(body.workspace, 'w');
    await rebuilt('w', 1);
    const { body: page } = await request(eventsUrl(node.url, 'w', { waitFor }));
    assert.equal(page.events.length, 1);
    assert.equal(page.events[0].event.id, 'a');
  });

  it('can be of what the service itself does, for who may do everything', async () => {
    assert.equal((await ask('POST', '_system')).status, 202);
    await rebuilt('_system', 1);
    assert.equal((await request(`${node.url}/sys/readiness`)).status, 200);
    const { body } = await request(eventsUrl(node.url, '_system', { type: 'history.rebuilt' }));
    assert.ok(body.events.length > 0);
  });

  it('is given up', async () => {
    // Nobody carries events into the history there, so that it does not end meanwhile.
    const serving = await startNode({ roles: ['api'] });
    await emit(serving.url, 'w', [{ type: 'a', payload: {} }]);
    const { body } = await ask('POST', 'w', serving.url);
    const { generation, done, total } = body.rebuilding;
    assert.deepEqual({ generation, done, total }, { generation: 1, done: 0, total: 0 });
    assert.deepEqual(
      (await ask('GET', 'w', serving.url)).body.rebuilding.since,
      body.rebuilding.since,
    );
    const { status, body: left } = await ask('DELETE', 'w', serving.url);
    assert.deepEqual([status, left], [200, { workspace: 'w', generation: 0 }]);
    await serving.stop();
  });

  it('is refused where there is no such workspace', async () => {
    for (const method of ['POST', 'GET', 'DELETE']) {
      const { status, body } = await ask(method, 'nobody');
      assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
    }
  });
});
