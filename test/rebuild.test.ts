import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emit, eventsUrl, request, type Reply } from './support/client.js';
import { bearer, identified, superadmin, token } from './support/identity.js';
import { spawnNode, startNode, temporaryFolder, type TestNode } from './support/node.js';
import { until } from './until.js';

const COMMAND = fileURLToPath(new URL('../src/rebuild.js', import.meta.url));

/** The command, while it runs. */
interface Running {
  readonly out: () => string;
  readonly err: () => string;
  readonly interrupt: () => void;
  readonly ended: Promise<number | null>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, ['--enable-source-maps', COMMAND, ...args]);
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text.err += chunk.toString();
  });
  return {
    out: () => text.out,
    err: () => text.err,
    interrupt: () => {
      child.kill('SIGINT');
    },
    ended: once(child, 'close').then(([code]) => code as number | null),
  };
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const running = start(...args);
  const code = await running.ended;
  return { code, out: running.out(), err: running.err() };
}

/** Emits so many events, and waits until they are in the history. */
async function fill(url: string, workspace: string, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, n) => ({
    id: `e${n}`,
    type: 'shelf.filled',
    payload: { n },
  }));
  const { body } = await emit(url, workspace, events);
  const waitFor = (body.results as { position: string }[]).at(-1)!.position;
  const { status } = await request(eventsUrl(url, workspace, { waitFor, limit: '1' }));
  assert.equal(status, 200);
}

const stateOf = (url: string, workspace: string, method = 'GET'): Promise<Reply> =>
  request(`${url}/v2/workspaces/${workspace}/rebuild`, { method });

describe('npm run rebuild', function () {
  this.timeout(30_000);

  let node: TestNode;
  /** Nobody carries events into the history there, so that a rebuild never ends by itself. */
  let waiting: TestNode;

  before(async () => {
    node = await startNode();
    await fill(node.url, 'one', 500);
    await fill(node.url, 'two', 5);
    waiting = await startNode({ roles: ['api'] });
    await emit(waiting.url, 'one', [{ type: 'a', payload: {} }]);
  });
  after(async () => {
    await node.stop();
    await waiting.stop();
  });

  const isRebuilding = (): Promise<boolean> =>
    until('it is begun', async () => {
      return (await stateOf(waiting.url, 'one')).body.rebuilding !== undefined;
    });

  it('rebuilds the workspaces that it is told, one after the other', async () => {
    const named = ['--workspace', 'one', '--workspace', 'two'];
    const { code, out, err } = await run(...named, '--url', node.url);
    assert.deepEqual([code, err], [0, '']);
    const done = out.split('\n').filter((line) => line.includes('rebuilt'));
    assert.match(done[0]!, /^one: rebuilt, .* in \d+ s; generation 1 is searched$/);
    assert.match(done[1]!, /^two: rebuilt, .* in \d+ s; generation 1 is searched$/);
    assert.match(out, /^one: \d+ %, \d+ of \d+, /m);
  });

  it('rebuilds all there are', async () => {
    const { code, out, err } = await run('--all', '--url', `${node.url}/`);
    assert.deepEqual([code, err], [0, '']);
    for (const name of ['one', 'two', '_system']) {
      assert.match(out, new RegExp(`^${name}: rebuilt`, 'm'));
    }
  });

  it('leaves the rebuild running when it is interrupted, and says how to come back', async () => {
    const command = start('--workspace', 'one', '--url', waiting.url);
    await isRebuilding();
    await until('it shows that', () => command.out().includes('one:'));
    const { body } = await stateOf(waiting.url, 'one');
    command.interrupt();
    assert.equal(await command.ended, 130);
    assert.match(command.out(), /goes on without you. Come back to it: npm run rebuild -- --work/);
    assert.deepEqual((await stateOf(waiting.url, 'one')).body, body);
    const again = start('--workspace', 'one', '--url', waiting.url);
    await until('it is back', () => again.out().includes('one:'));
    again.interrupt();
    assert.equal(await again.ended, 130);
    const { generation } = body.rebuilding;
    assert.equal((await stateOf(waiting.url, 'one')).body.rebuilding.generation, generation);
  });

  it('gives a rebuild up, which who watches it is told', async () => {
    const watching = start('--workspace', 'one', '--url', waiting.url);
    await isRebuilding();
    await until('it is watched', () => watching.out().includes('one:'));
    const cancel = ['--workspace', 'one', '--url', waiting.url, '--cancel'];
    const { code, out } = await run(...cancel);
    assert.deepEqual([code, out], [0, 'one: given up; generation 0 is searched as before\n']);
    assert.equal(await watching.ended, 1);
    assert.match(watching.err(), /^rebuild: one: somebody has given the rebuild up$/m);
    const { code: again, out: nothing } = await run(...cancel);
    assert.deepEqual([again, nothing.includes('nothing was being rebuilt')], [0, true]);
  });

  it('goes on where it was when the node is killed and comes back', async () => {
    const folder = await temporaryFolder();
    const first = await spawnNode({ DATA_DIR: folder.path });
    for (let n = 0; n < 2; n++) {
      await fill(first.url, `w${n}`, 2_000);
    }
    const command = start('--all', '--url', first.url);
    await until('it is begun', async () => {
      return (await stateOf(first.url, 'w0')).body.rebuilding?.done > 0;
    });
    await first.end('SIGKILL');
    await until('it knows', () => command.out().includes('waiting: No service answers'));
    const { port } = new URL(first.url);
    const second = await spawnNode({ DATA_DIR: folder.path, PORT: port });
    assert.equal(await command.ended, 0, command.err());
    for (const name of ['w0', 'w1']) {
      const { body } = await stateOf(second.url, name);
      assert.deepEqual(body, { workspace: name, generation: 1 });
    }
    await second.end();
    await folder.remove();
  });

  it('says who asks, where the service wants to know, and does what that one may', async () => {
    const known = await startNode(identified());
    const folder = await temporaryFolder();
    const file = join(folder.path, 'token');
    const at = ['--url', known.url, '--token-file', file];
    const put = { method: 'PUT', json: {}, headers: bearer(await superadmin()) };
    for (const name of ['hers', 'other']) {
      assert.equal((await request(`${known.url}/v2/workspaces/${name}`, put)).status, 201);
    }
    const unread = await run('--all', ...at);
    assert.equal(unread.code, 2);
    assert.match(unread.err, /--token-file cannot be read: .*ENOENT/);
    await writeFile(file, 'not a token\n');
    assert.match((await run('--all', ...at)).err, /holds no token or API key alone/);
    await writeFile(file, await token({ claims: { sub: 'ada', workspaces: { hers: 'owner' } } }));
    const { code, out, err } = await run('--all', ...at);
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^hers: rebuilt/m);
    assert.ok(!out.includes('other') && !out.includes('_system'));
    const forbidden = await run('--workspace', 'other', ...at);
    assert.equal(forbidden.code, 1);
    assert.match(forbidden.err, /You may not change the workspace other/);
    const nobody = await run('--all', '--url', known.url);
    assert.equal(nobody.code, 1);
    assert.match(nobody.err, /Say who you are, .* name that by --token-file/);
    await known.stop();
    await folder.remove();
  });

  it('tells how it is used', async () => {
    const { code, out } = await run('--help');
    assert.equal(code, 0);
    assert.match(out, /npm run rebuild -- --workspace <name>/);
    const wrong = await run('--everything');
    assert.deepEqual([wrong.code, wrong.out], [2, '']);
    assert.match(wrong.err, /Unknown option '--everything'[\s\S]*--help/);
  });

  it('begins nothing where one of the workspaces is not there', async () => {
    const before = (await stateOf(node.url, 'one')).body;
    const { code, err } = await run(
      '--workspace',
      'one',
      '--workspace',
      'nobody',
      '--url',
      node.url,
    );
    assert.equal(code, 1);
    assert.match(err, /There is no workspace nobody/);
    assert.deepEqual((await stateOf(node.url, 'one')).body, before);
  });

  it('says where nobody answers, and where another service does', async () => {
    const server = createServer((_, response) => {
      response.end('<html>');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const other = await run('--workspace', 'one', '--url', url);
    assert.equal(other.code, 1);
    assert.match(other.err, /What answers at .*, with status 200, is no workspace-events/);
    await new Promise((resolve) => server.close(resolve));
    const nobody = await run('--all', '--url', url);
    assert.equal(nobody.code, 1);
    assert.match(nobody.err, /No service answers at .* \(ECONNREFUSED\). Start it with npm start/);
  });
});
