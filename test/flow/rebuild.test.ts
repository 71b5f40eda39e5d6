import assert from 'node:assert/strict';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { CrashingNode } from '../crash/node.js';
import { Producer, WORKSPACE, type Load } from '../crash/producer.js';
import { emit, eventsUrl, request } from '../support/client.js';
import { readLog, searchAll } from '../support/log.js';
import { random, seed } from '../support/random.js';
import { faults } from '../support/sequence.js';
import { until } from '../until.js';
import { Observer } from './observer.js';

/** So many that a rebuild of them is not done before it is met by the kills. */
const EVENTS = 12_000;
const KILLS = 2;
const WAYS = ['newest', 'search', 'export'] as const;
const LOAD: Load = { eventsMax: { batch: 20, lines: 50, socket: 20 }, eventsPerSecond: 100 };

interface Rebuilding {
  readonly generation: number;
  readonly done: number;
  readonly total: number;
}

/** Fills a workspace with so many events, and gives the epoch. */
async function fill(url: string, workspace: string, count: number): Promise<string> {
  const lines = Array.from({ length: count }, (_, n) =>
    JSON.stringify({
      id: `f${n}`,
      type: 'flow.filled',
      payload: { n, note: `of ${n % 10} kinds` },
    }),
  );
  const { body } = await request(eventsUrl(url, workspace), {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  assert.equal(body.accepted, count);
  const waitFor = body.cursor as string;
  const historized = eventsUrl(url, workspace, { waitFor, wait: '30', limit: '1' });
  assert.equal((await request(historized)).status, 200);
  return waitFor.split('-')[0]!;
}

async function rebuilding(url: string, workspace: string): Promise<Rebuilding | undefined> {
  const { body } = await request(`${url}/v2/workspaces/${workspace}/rebuild`);
  return body.rebuilding as Rebuilding | undefined;
}

async function begin(url: string, workspace: string): Promise<void> {
  const address = `${url}/v2/workspaces/${workspace}/rebuild`;
  assert.equal((await request(address, { method: 'POST' })).status, 202);
}

describe('a history that is rebuilt under load, on a node that is killed', function () {
  this.timeout(120_000);

  const number = seed();
  const producers = [true, false].map(
    (retries) => new Producer(retries ? 'batch' : 'socket', retries, LOAD, random(number)),
  );
  let node: CrashingNode;
  let observer: Observer;
  let killedAt: Rebuilding[];

  before(async () => {
    node = await CrashingNode.create();
    await node.start();
    const epoch = await fill(node.url, WORKSPACE, EVENTS);
    observer = new Observer({ workspace: WORKSPACE, epoch, events: EVENTS, producers });
    let ends = false;
    const working = [...producers, observer].map((each) => each.run(node, () => ends));
    await begin(node.url, WORKSPACE);
    killedAt = [];
    while (killedAt.length < KILLS) {
      const before = killedAt.at(-1)?.done ?? 0;
      const at = await until('the rebuild has come further', async () => {
        const state = await rebuilding(node.url, WORKSPACE);
        assert.ok(state, 'it was done before it could be killed');
        return state.done > before && state;
      });
      await node.kill();
      killedAt.push(at);
      await node.start();
    }
    await until(
      'it is done',
      async () => (await rebuilding(node.url, WORKSPACE)) === undefined,
      60_000,
    );
    const seen = { ...observer.right };
    await until('all of it has been looked at again', () =>
      WAYS.every((way) => observer.right[way] > seen[way]),
    );
    ends = true;
    await Promise.all(working);
  });
  after(() => node.dispose());

  it('is rebuilt once, from where it was each time', async () => {
    const { body } = await request(`${node.url}/v2/workspaces/${WORKSPACE}/rebuild`);
    assert.deepEqual(body, { workspace: WORKSPACE, generation: 1 });
    assert.ok(killedAt.every(({ generation }) => generation === 1));
    assert.ok(
      killedAt.every(({ done, total }) => done < total),
      JSON.stringify(killedAt),
    );
  });

  it('gave everybody every acknowledged event once, at every moment', () => {
    assert.deepEqual(observer.complaints.slice(0, 5), [], `SEED=${number}`);
    assert.ok(
      WAYS.every((way) => observer.right[way] > 1),
      JSON.stringify(observer.right),
    );
  });

  it('has every event of the log once in the end', async () => {
    const log = await readLog(node.url, WORKSPACE);
    assert.ok(log.length > EVENTS);
    const found = await searchAll(node.url, WORKSPACE, log.at(-1)!.cursor);
    assert.deepEqual(faults(found.toReversed(), log).slice(0, 10), [], `SEED=${number}`);
    const ids = new Map(log.map(({ id, position }) => [id, position]));
    for (const { acknowledged } of producers) {
      for (const [id, position] of acknowledged) {
        assert.equal(ids.get(id), position ?? ids.get(id), `${id} is lost`);
      }
    }
  });
});

describe('a history from which documents were removed by hand', function () {
  this.timeout(60_000);

  const DAMAGED = 'damaged';
  let node: CrashingNode;

  before(async () => {
    node = await CrashingNode.create();
    await node.start();
  });
  after(() => node.dispose());

  it('is whole again when it was rebuilt', async () => {
    await fill(node.url, DAMAGED, 2_000);
    const log = await readLog(node.url, DAMAGED);
    const last = log.at(-1)!.cursor;
    await node.kill();
    const db = new Database(join(node.path, 'store.sqlite'));
    const { changes } = db.prepare("DELETE FROM events WHERE id GLOB 'f*[37]'").run();
    db.close();
    assert.equal(changes, 400);
    await node.start();
    assert.equal((await searchAll(node.url, DAMAGED, last)).length, 1_600);
    await begin(node.url, DAMAGED);
    await until('it is done', async () => (await rebuilding(node.url, DAMAGED)) === undefined);
    const found = await searchAll(node.url, DAMAGED, last);
    assert.deepEqual(faults(found.toReversed(), log), []);
    const { body } = await emit(node.url, DAMAGED, [{ id: 'f3', type: 'a', payload: {} }]);
    assert.equal(body.results[0].duplicate, true);
  });
});
