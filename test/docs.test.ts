import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SETTINGS } from '../src/config.js';
import { registry } from '../src/metrics.js';
import { operations } from '../src/transport/openapi.js';
import { constantOf } from './docs/constants.js';
import { code, tableUnder } from './docs/markdown.js';
import { check, masked, run, stepsOf } from './docs/tour.js';
import { emit, eventsUrl, request } from './support/client.js';
import { spawnNode, temporaryFolder, type NodeProcess } from './support/node.js';
import { readSources } from './tidy/source.js';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const readme = read('README.md');
const operating = read('docs/operations.md');
const documents = readSources(root).filter(({ path }) => path.endsWith('.md'));

/** A file of the repository as prose names it; not a pattern, and not a part of another path. */
const NAMED_FILE = /(?<![\w./-])(?:src|test|schemas|docs)(?:\/[\w-]+)+(?:\.\w+)+(?![\w*{])/g;

/** Where the README has the service. */
const SHOWN_HOST = '127.0.0.1:3000';

describe('The tour in the README', function () {
  this.timeout(60_000);
  const steps = stepsOf(readme, 'tour');
  let printed: readonly string[];

  before(async () => {
    const folder = await temporaryFolder();
    const node = await spawnNode({ DATA_DIR: folder.path });
    const { host } = new URL(node.url);
    const here = (text: string): string => text.replaceAll(SHOWN_HOST, host);
    try {
      const found = await run(
        steps.map((step) => ({ ...step, script: here(step.script) })),
        fileURLToPath(root),
      );
      printed = found.map((text) => text.replaceAll(host, SHOWN_HOST));
    } finally {
      await node.end();
      await folder.remove();
    }
  });

  for (const [index, { name, expected }] of steps.entries()) {
    it(name, () => {
      if (expected) {
        check(printed[index] ?? '', expected);
      } else {
        assert.equal(printed[index]?.trim(), '');
      }
    });
  }

  it('shows what it does, step by step', () => {
    assert.ok(steps.filter(({ expected }) => expected).length >= 18);
  });

  it('leaves open only what it says is open', () => {
    const shown = { id: '…-1', '…': '…' };
    assert.deepEqual(masked({ id: 'a-1', more: 1 }, shown), shown);
    assert.notDeepEqual(masked({ id: 'a-2', more: 1 }, shown), shown);
    assert.notDeepEqual(masked({ more: 1 }, shown), shown);
    assert.notDeepEqual(masked({ id: 'a', more: 1 }, { id: 'a' }), { id: 'a' });
    assert.notDeepEqual(masked([1, 2], [1]), [1]);
    assert.notEqual(masked('a\nb\nc', 'a\n…b'), 'a\n…b');
  });
});

describe('The backup in the guide to operations', function () {
  this.timeout(60_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: NodeProcess | undefined;

  before(async () => {
    folder = await temporaryFolder();
  });

  after(async () => {
    await node?.end();
    await folder.remove();
  });

  it('has all that was acknowledged, taken while the node runs', async () => {
    node = await spawnNode({ DATA_DIR: join(folder.path, 'data') });
    await emit(node.url, 'w', [{ id: 'e-1', type: 'a', payload: {} }]);
    const [step] = stepsOf(operating, 'backup');
    const script = step!.script.replaceAll('=./', `=${folder.path}/`);
    await run([{ ...step!, script }], fileURLToPath(root));
    await node.end('SIGKILL');

    node = await spawnNode({ DATA_DIR: join(folder.path, 'backup') });
    const address = eventsUrl(node.url, 'w');
    const { body: polled } = await request(`${address}?from=start`);
    const { body: page } = await request(`${address}?waitFor=${polled.cursor as string}`);
    assert.deepEqual(page.events, polled.events);
    assert.equal(page.events[0].event.id, 'e-1');
  });
});

describe('The documents', () => {
  it('tell the settings as they are', () => {
    assert.deepEqual(
      tableUnder(readme, '## Settings'),
      Object.values(SETTINGS).map(({ env, default: value, allowed, why }) => [
        code(env),
        code(String(value)),
        allowed,
        why,
      ]),
    );
  });

  it('tell the operations of the API as they are', () => {
    assert.deepEqual(
      Object.fromEntries(tableUnder(readme, '## API')),
      Object.fromEntries(
        operations.map(({ method, path, summary }) => [
          code(`${method.toUpperCase()} ${path}`),
          summary,
        ]),
      ),
    );
  });

  it('tell the metrics as they are', async () => {
    const metrics = await registry.getMetricsAsJSON();
    assert.deepEqual(
      tableUnder(operating, '## Metrics'),
      metrics
        .filter(({ name }) => !/^(process|nodejs)_/.test(name))
        .map(({ name, type, help }) => [code(name), String(type), help]),
    );
  });

  it('tell the limits as they are in the code', () => {
    const rows = tableUnder(operating, '## Limits');
    assert.ok(rows.length > 10);
    for (const [, limit, , at] of rows) {
      const [, path, name] = /^`(.+)`, `(.+)`$/.exec(at ?? '') ?? [];
      assert.equal(
        Number(limit?.replaceAll(',', '')),
        constantOf(read(path ?? ''), name ?? ''),
        `${String(path)} ${String(name)}`,
      );
    }
  });

  it('link to what is there', () => {
    for (const { path, text } of documents) {
      for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)) {
        assert.ok(existsSync(new URL(join(dirname(path), target!), root)), `${path}: ${target!}`);
      }
    }
  });

  it('name files that are there', () => {
    for (const { path, text } of documents) {
      for (const [named] of text.matchAll(NAMED_FILE)) {
        assert.ok(existsSync(new URL(named, root)), `${path}: ${named}`);
      }
    }
  });
});
