import assert from 'node:assert/strict';
import { BEFORE_FIRST } from '../../src/event.js';
import { emit, request, Socket } from '../support/client.js';
import {
  spawnNode,
  startNode,
  temporaryFolder,
  type NodeProcess,
  type TestNode,
} from '../support/node.js';
import { until } from '../until.js';

describe('What an operator can ask', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  it('is whether the node is alive, and whether it is ready', async () => {
    for (const path of ['healthcheck', 'readiness']) {
      const { status, body } = await request(`${node.url}/sys/${path}`);
      assert.deepEqual([status, body], [200, { status: 'ok' }]);
    }
  });

  it('is told that a node is alive but not ready where its log does not answer', async () => {
    const broken = await startNode();
    await broken.service.log.close();
    assert.equal((await request(`${broken.url}/sys/healthcheck`)).status, 200);
    const { status, headers, body } = await request(`${broken.url}/sys/readiness`);
    assert.deepEqual([status, body.code], [503, 'unavailable']);
    assert.equal(headers.get('Retry-After'), '1');
    await broken.stop();
  });

  it('is which workspaces are tailed, for how many, and how far', async () => {
    const { body } = await emit(node.url, 'tailed', [{ type: 'a', payload: {} }]);
    const socket = await Socket.open(node.url, 'tailed');
    await socket.ask({ op: 'subscribe', from: 'start' });
    await socket.ask({ op: 'subscribe', from: 'now' });
    const expected = { workspace: 'tailed', head: body.results[0].position as string, live: 2 };
    const tails = await until('both are live', async () => {
      const answer = await request(`${node.url}/sys/subscriptions`);
      return answer.body.tails[0]?.live === 2 && (answer.body.tails as unknown[]);
    });
    assert.deepEqual(tails, [expected]);
    await socket.close();
  });

  it('is which events the store refused, and to try them again', async () => {
    await emit(node.url, 'parked', [{ id: 'p-1', type: 'a', payload: {} }]);
    const { epoch } = await node.service.log.bounds('parked');
    const { records } = await node.service.log.read('parked', BEFORE_FIRST, 1);
    const of = node.service.workspaces.historyOf('parked', epoch);
    await node.service.deadLetters.park(of, records[0]!, 'too many fields');
    const url = `${node.url}/sys/deadletters?workspace=parked`;
    const [letter] = (await request(url)).body.deadLetters;
    const { workspace, position, reason, text } = letter;
    assert.deepEqual(
      { workspace, position, reason },
      { workspace: 'parked', position: 0, reason: 'too many fields' },
    );
    assert.equal(JSON.parse(text as string).id, 'p-1');
    assert.deepEqual((await request(`${node.url}/sys/deadletters?workspace=other`)).body, {
      deadLetters: [],
    });
    // The store has it already, under this id.
    await until('it is in the history', async () => {
      return (await request(`${node.url}/v2/workspaces/parked/events/p-1`)).status === 200;
    });
    const replayed = await request(url, { method: 'POST' });
    assert.deepEqual(replayed.body, { replayed: 1, refused: 0 });
    assert.deepEqual((await request(url)).body, { deadLetters: [] });
  });

  it('are metrics as Prometheus wants them named', async () => {
    const { headers, body } = await request(`${node.url}/metrics`);
    assert.match(headers.get('Content-Type') ?? '', /^text\/plain; version=0\.0\.4/);
    const types = [...(body as string).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    // Those of Node itself are named by the client library.
    const own = types.filter(([, name]) => !/^(nodejs|process)_/.test(name!));
    assert.ok(own.length >= 15);
    for (const [, name, type] of own) {
      assert.match(name!, /^[a-z][a-z_]*[a-z]$/);
      assert.equal(name!.endsWith('_total'), type === 'counter', name);
      assert.ok(type !== 'histogram' || name!.endsWith('_seconds'), name);
      // Base units alone.
      assert.doesNotMatch(name!, /_(ms|milliseconds|minutes|kb|mb)\b/);
    }
  });
});

describe('A node in production', () => {
  let node: NodeProcess;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  before(async () => {
    folder = await temporaryFolder();
    node = await spawnNode({ DATA_DIR: folder.path, LOG_LEVEL: 'silent' });
  });
  after(async () => {
    await node.end();
    await folder.remove();
  });

  const logged = (): Record<string, unknown>[] =>
    node
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  const setLevel = (level: string): ReturnType<typeof request> =>
    request(`${node.url}/sys/logging`, { method: 'PUT', json: { level } });

  it('changes what it logs while it runs', async () => {
    assert.deepEqual((await request(`${node.url}/sys/logging`)).body, { level: 'silent' });
    await request(`${node.url}/sys/healthcheck`);
    assert.deepEqual((await setLevel('info')).body, { level: 'info' });
    await request(`${node.url}/sys/readiness`);
    await until('it is logged', () => logged().some(({ operation }) => operation === 'readiness'));
    await setLevel('silent');
    await request(`${node.url}/sys/healthcheck`);
    assert.deepEqual(
      logged().map(({ operation }) => operation),
      ['putLogging', 'readiness'],
    );
  });

  it('logs one line for a request: who asked for what, and how it went', async () => {
    await setLevel('info');
    const headers = { 'X-Correlation-Id': 'c-7', 'X-User-Id': 'ada' };
    await emit(node.url, 'shop', [{ type: 'a', payload: { secret: 'hidden' } }], headers);
    await request(`${node.url}/v2/workspaces/nobody`, { headers: { 'X-Correlation-Id': 'c-8' } });
    const find = (id: string): Promise<Record<string, unknown>> =>
      until('it is logged', () => logged().find(({ correlationId }) => correlationId === id));
    const { time, ms, ...emitted } = await find('c-7');
    assert.deepEqual(emitted, {
      level: 'info',
      correlationId: 'c-7',
      userId: 'ada',
      workspaceId: 'shop',
      operation: 'emitEvents',
      method: 'POST',
      status: 201,
      msg: 'request',
    });
    assert.equal(new Date(time as string).toISOString(), time);
    assert.ok((ms as number) > 0);
    const refused = await find('c-8');
    assert.deepEqual([refused.status, refused.workspaceId], [404, 'nobody']);
    assert.ok(!node.output().includes('hidden'));
    await setLevel('silent');
  });

  it('gives a heap snapshot that DevTools can read', async () => {
    const response = await fetch(`${node.url}/sys/heapdump`);
    assert.match(response.headers.get('Content-Disposition') ?? '', /\.heapsnapshot"$/);
    const { snapshot, nodes, edges, strings } = JSON.parse(await response.text());
    const { node_fields: fields } = snapshot.meta as { node_fields: string[] };
    assert.equal(nodes.length, snapshot.node_count * fields.length);
    assert.ok(edges.length > 0 && strings.length > 0);
  }).timeout(30_000);
});
