import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import { cleanUp, linesOf } from '../support/cleanup.js';
import { emit, eventsUrl, request } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

/** Half a second: events are old before a test has waited for long. */
const KEPT = { retention: { log: { hours: 0.5 / 3600 }, history: { hours: 0.5 / 3600 } } };
const NONE = { workspaces: 0, log: 0, history: 0, purged: 0, failed: 0 };

describe('POST /sys/cleanup', () => {
  let node: TestNode;
  let workspace: string;
  let stopping: Promise<void> | undefined;

  beforeEach(async () => {
    stopping = undefined;
    // No round comes in between.
    node = await startNode({ retentionSeconds: 86_400 });
    workspace = `w-${randomUUID()}`;
  });
  afterEach(async () => {
    mock.restoreAll();
    await (stopping ?? node.stop());
  });

  const filled = async (events: number, config: object = KEPT): Promise<void> => {
    const address = `${node.url}/v2/workspaces/${workspace}`;
    assert.equal((await request(address, { method: 'PUT', json: config })).status, 201);
    const drafts = Array.from({ length: events }, () => ({ type: 'order.paid', payload: {} }));
    const { body } = await emit(node.url, workspace, drafts);
    const sentAt = performance.now();
    const waitFor = (body.results as { position: string }[]).at(-1)!.position;
    await request(eventsUrl(node.url, workspace, { waitFor, limit: '1' }));
    await until('they are old', () => performance.now() > sentAt + 600);
  };

  it('answers line by line, and with the total at the end', async () => {
    await filled(700);
    const { epoch } = (await request(`${node.url}/v2/workspaces/${workspace}`)).body;
    for (const query of ['?dryRun=true', `?dryRun=true&workspace=${workspace}`, '']) {
      assert.deepEqual(await cleanUp(node.url, query), [
        { workspace, epoch, log: 700, history: 700, done: true },
        { total: { ...NONE, workspaces: 1, log: 700, history: 700 } },
      ]);
    }
    const { body } = await request(eventsUrl(node.url, workspace));
    assert.deepEqual(body.events, []);
    assert.deepEqual((await cleanUp(node.url)).at(-1), { total: { ...NONE, workspaces: 1 } });
  });

  it('purges what was deleted and can be restored no more, alone if that is wanted', async () => {
    await filled(3, {});
    const address = `${node.url}/v2/workspaces/${workspace}`;
    await request(`${address}?grace=0.0001`, { method: 'DELETE' });
    await until('its grace is over', async () => {
      const lines = await cleanUp(node.url, `?workspace=${workspace}&dryRun=true`);
      return lines.length === 2;
    });
    const [line, total] = await cleanUp(node.url, `?workspace=${workspace}`);
    assert.deepEqual([line?.purge, line?.done, line?.log, line?.history], [true, true, 3, 3]);
    assert.deepEqual(total, {
      total: { ...NONE, workspaces: 1, log: 3, history: 3, purged: 1 },
    });
    assert.equal((await request(`${address}/restore`, { method: 'POST' })).status, 404);
  });

  it('refuses a workspace that there is not, before it begins', async () => {
    const { status, body } = await request(`${node.url}/sys/cleanup?workspace=nobody`, {
      method: 'POST',
    });
    assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
  });

  it('tells what has failed as every error is told', async () => {
    await filled(3);
    const failing = (): Promise<never> => Promise.reject(new Error('the disk is gone'));
    mock.method(node.service.store, 'settle').mock.mockImplementationOnce(failing);
    const [line, total] = await cleanUp(node.url);
    assert.deepEqual([line?.workspace, line?.error?.code], [workspace, 'internal-error']);
    assert.deepEqual(total, { total: { ...NONE, failed: 1 } });
    assert.ok((await cleanUp(node.url))[0]!.log! >= 3);
  });

  /** Has each step of a trim wait for a condition. */
  const hold = (condition: () => boolean): { steps: number } => {
    const counted = { steps: 0 };
    const { store } = node.service;
    const trim = store.trim.bind(store);
    mock.method(store, 'trim', async function* (...args: Parameters<typeof trim>) {
      for await (const removed of trim(...args)) {
        counted.steps++;
        yield removed;
        await until('it may go on', condition);
      }
    });
    return counted;
  };

  it('stops when the client leaves, and does the rest the next time', async () => {
    await filled(5000);
    const leaving = new AbortController();
    const ended = async (): Promise<boolean> =>
      ((await request(`${node.url}/metrics`)).body as string).includes('operation="cleanUp"');
    let isOver = false;
    const held = hold(() => {
      leaving.abort();
      // Its socket is closed by then, or soon.
      return isOver || held.steps < 3;
    });
    const init = { method: 'POST', signal: leaving.signal };
    await assert.rejects(fetch(`${node.url}/sys/cleanup`, init).then((reply) => reply.text()));
    await until('the node has noticed', ended);
    isOver = true;
    assert.ok(held.steps <= 3, `${held.steps} steps`);
    mock.restoreAll();
    const [line] = await cleanUp(node.url);
    assert.ok(line!.history! > 0 && line!.history! < 5000);
  });

  it('ends without a total when the node drains', async () => {
    await filled(1500);
    let isDraining = false;
    const held = hold(() => isDraining);
    const lines = request(`${node.url}/sys/cleanup`, { method: 'POST' });
    await until('it has begun', () => held.steps > 0);
    stopping = node.stop();
    await until('it drains', async () => {
      const refused = await fetch(`${node.url}/sys/healthcheck`).catch(() => undefined);
      return !refused;
    });
    isDraining = true;
    assert.deepEqual(linesOf((await lines).body as string), []);
  });
});
