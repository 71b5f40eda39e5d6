import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ask, exported, searched } from './demo/client.js';
import { datasets } from './demo/data.js';
import { byKey, plainDelays, type Delay } from './demo/delays.js';
import { assertEachOnce } from './demo/once.js';
import { eventsUrl, request } from './support/client.js';
import { spawnNode, temporaryFolder, type NodeProcess } from './support/node.js';

const MAIN = fileURLToPath(new URL('./demo/main.js', import.meta.url));
const TOTAL = 20_329;

/** Requests for single events under way at once. */
const CONCURRENCY = 32;

async function runDemo(url: string): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, WORKSPACE_EVENTS_URL: url, REPLAY_SECONDS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number];
  return { code, out, err };
}

describe('The demo', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: NodeProcess;
  let first: Awaited<ReturnType<typeof runDemo>>;

  before(async () => {
    folder = await temporaryFolder();
    node = await spawnNode({ DATA_DIR: folder.path });
    first = await runDemo(node.url);
  });

  after(async () => {
    await node.end();
    await folder.remove();
  });

  it('loads all of its real events and finds that the totals agree', () => {
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /github: loaded 329 /);
    assert.match(first.out, /flights: loaded 20000 /);
    assert.match(first.out, /github: 329 in the data set, 329 by export, 329 by search/);
    assert.match(first.out, /flights: 20000 in the data set, 20000 by export, 20000 by search/);
    assert.equal(datasets().flatMap(({ samples }) => samples).length, TOTAL);
  });

  it('shows what searches find, what a tail delivers and what a replay repeats', () => {
    assert.match(first.out, /32 found/);
    assert.match(first.out, /received “salut”/);
    assert.match(first.out, / 10000 times as fast/);
  });

  describe('has tables of delays', () => {
    const delays = plainDelays();

    it('of which it shows the worst airports and each month, as they are in the data', () => {
      const worst = delays.byOrigin.toSorted((a, b) => b.delay - a.delay).slice(0, 10);
      const shown = [...worst, ...delays.byMonth].map(
        ({ key, flights, delay }) => `${key} ${flights} ${delay.toFixed(1)} min`,
      );
      const found = [...first.out.matchAll(/^ +(\S+) +(\d+) +(-?[\d.]+ min)$/gm)];
      assert.deepEqual(
        found.map(([, ...cells]) => cells.join(' ')),
        shown,
      );
    });

    for (const [name, groupBy, expected] of [
      ['each airport', 'payload.origin', delays.byOrigin],
      ['each month', { field: 'time', interval: '1M' }, delays.byMonth],
    ] as const) {
      it(`of ${name}, to the last digit`, async () => {
        const { rows } = await ask(`${node.url}/v2/workspaces/flights/search`, {
          json: {
            groupBy: [groupBy],
            metrics: { flights: { count: true }, delay: { avg: 'payload.delay' } },
            limit: 10_000,
          },
        });
        const found = (rows as (Delay & { group: Record<string, string> })[]).map(
          ({ group, flights, delay }) => {
            const key = Object.values(group)[0]!.replace('-01T00:00:00.000Z', '');
            return { key, flights, delay };
          },
        );
        assert.deepEqual(byKey(found), byKey(expected));
      });
    }
  });

  for (const [by, read] of [
    ['export', exported],
    ['paging through a search', searched],
  ] as const) {
    it(`leaves each event once, as it was sent, to ${by}`, async () => {
      for (const { workspace, samples } of datasets()) {
        await assertEachOnce(read(node.url, workspace), samples);
      }
    });
  }

  it('leaves each event to be found by its id', async () => {
    const addresses = datasets().flatMap(({ workspace, samples }) =>
      samples.map(({ id }) => ({ id, url: `${eventsUrl(node.url, workspace)}/${id}` })),
    );
    let found = 0;
    const finder = async (): Promise<void> => {
      for (let next = addresses.pop(); next; next = addresses.pop()) {
        const { status, body } = await request(next.url);
        assert.deepEqual([status, body.event.id], [200, next.id]);
        found++;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, finder));
    assert.equal(found, TOTAL);
  });

  it('loads nothing twice, says so, and counts the same again', async () => {
    const { code, out, err } = await runDemo(node.url);
    assert.equal(code, 0, err);
    assert.match(out, /329 GitHub webhook payloads were there already/);
    assert.match(out, /20000 flights of 2001 were there already/);
    assert.match(out, /flights: 20000 in the data set, 20000 by export, 20000 by search/);
    assert.doesNotMatch(out, /loaded/);
  });

  it('says what to do where no service answers', async () => {
    const { code, err } = await runDemo('http://127.0.0.1:1');
    assert.equal(code, 1);
    assert.match(err, /Nothing answers at http:\/\/127\.0\.0\.1:1\. Start the service first/);
  });
});
