import assert from 'node:assert/strict';
import type { CrashingNode } from '../crash/node.js';
import { Producer, WORKSPACE, type Load } from '../crash/producer.js';
import { eventsUrl, request } from '../support/client.js';
import { readLog, searchAll } from '../support/log.js';
import { random, seed } from '../support/random.js';
import { faults } from '../support/sequence.js';
import { until } from '../until.js';
import { Observer } from './observer.js';

/** So many that a rebuild of them is not done before it is met by the kills. */
const EVENTS = 12_000;
const KILLS = 2;
const LOAD: Load = { eventsMax: { batch: 20, lines: 50, socket: 20 }, eventsPerSecond: 100 };
const WAYS = ['newest', 'search', 'export'] as const;

/** The projection of a node that was killed goes to another one after a while. */
const REBUILT_MS_MAX = 120_000;

interface Rebuilding {
  readonly generation: number;
  readonly done: number;
  readonly total: number;
}

/** Fills a workspace with so many events, waits until they are searchable, and gives the epoch. */
export async function fill(url: string, workspace: string, count: number): Promise<string> {
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
  const historized = eventsUrl(url, workspace, { waitFor, wait: '60', limit: '1' });
  assert.equal((await request(historized)).status, 200);
  return waitFor.split('-')[0]!;
}

export async function begin(url: string, workspace: string): Promise<void> {
  const address = `${url}/v2/workspaces/${workspace}/rebuild`;
  assert.equal((await request(address, { method: 'POST' })).status, 202);
}

export async function rebuilding(url: string, workspace: string): Promise<Rebuilding | undefined> {
  const { body } = await request(`${url}/v2/workspaces/${workspace}/rebuild`);
  return body.rebuilding as Rebuilding | undefined;
}

/**
 * Has a history rebuilt while producers emit and observers look at it on every node, and the nodes
 * are killed one after the other; then holds it to what is promised.
 *
 * @param open Starts the nodes.
 * @param close Stops them, and removes what they leave behind.
 */
export function rebuildsUnderLoad(
  open: () => Promise<readonly CrashingNode[]>,
  close: () => Promise<void>,
): void {
  const number = seed();
  const draw = random(number);
  let nodes: readonly CrashingNode[];
  let producers: Producer[];
  let observers: Observer[];
  let killedAt: Rebuilding[];
  /** What was right of each observer's answers by the time when the rebuild was done. */
  let meanwhile: Observer['right'][];

  before(async () => {
    nodes = await open();
    const { url } = nodes[0]!;
    const epoch = await fill(url, WORKSPACE, EVENTS);
    // What is sent again to a node that was killed may stand in a shared log twice.
    producers = nodes.map((_, index) => new Producer('batch', false, LOAD, draw, `-${index}`));
    observers = nodes.map(
      () => new Observer({ workspace: WORKSPACE, epoch, events: EVENTS, producers }),
    );
    let ends = false;
    const working = [producers, observers].flatMap((all) =>
      all.map((each, index) => each.run(nodes[index]!, () => ends)),
    );
    await begin(url, WORKSPACE);
    killedAt = [];
    const starting: Promise<void>[] = [];
    while (killedAt.length < KILLS) {
      const victim = nodes[killedAt.length % nodes.length]!;
      await victim.up();
      const before = killedAt.at(-1)?.done ?? 0;
      const at = await until(
        'the rebuild has come further',
        async () => {
          const state = await rebuilding(victim.url, WORKSPACE);
          assert.ok(state, 'it was done before it could be killed');
          return state.done > before && state;
        },
        REBUILT_MS_MAX,
      );
      await victim.kill();
      killedAt.push(at);
      // Another one, which may be at it, is looked at meanwhile, before it is done.
      starting.push(victim.start());
    }
    await Promise.all(starting);
    for (const node of nodes) {
      const isDone = async (): Promise<boolean> =>
        (await rebuilding(node.url, WORKSPACE)) === undefined;
      await until('it is done', isDone, REBUILT_MS_MAX);
    }
    meanwhile = observers.map(({ right }) => ({ ...right }));
    await until(
      'all of it has been looked at again',
      () =>
        observers.every(({ right }, of) => WAYS.every((way) => right[way] > meanwhile[of]![way])),
      REBUILT_MS_MAX,
    );
    ends = true;
    await Promise.all(working);
  });
  after(() => close());

  it('is rebuilt once, from where it was each time', async () => {
    for (const { url } of nodes) {
      const { body } = await request(`${url}/v2/workspaces/${WORKSPACE}/rebuild`);
      assert.deepEqual(body, { workspace: WORKSPACE, generation: 1 });
    }
    assert.ok(killedAt.every(({ generation }) => generation === 1));
    assert.ok(
      killedAt.every(({ done, total }) => done < total),
      JSON.stringify(killedAt),
    );
  });

  it('gave everybody every acknowledged event once, at every moment', () => {
    for (const [of, { complaints }] of observers.entries()) {
      assert.deepEqual(complaints.slice(0, 5), [], `SEED=${number}`);
      // Not in every way: an export takes longer than some rebuilds.
      assert.ok(
        WAYS.some((way) => meanwhile[of]![way] > 0),
        JSON.stringify(meanwhile),
      );
    }
  });

  it('has every event of the log once in the end', async () => {
    const { url } = nodes.at(-1)!;
    const log = await readLog(url, WORKSPACE);
    assert.ok(log.length > EVENTS);
    const found = await searchAll(url, WORKSPACE, log.at(-1)!.cursor);
    assert.deepEqual(faults(found.toReversed(), log).slice(0, 10), [], `SEED=${number}`);
    const positions = new Map(log.map(({ id, position }) => [id, position]));
    for (const { name, acknowledged } of producers) {
      assert.ok(acknowledged.size > 0, name);
      for (const [id, position] of acknowledged) {
        assert.equal(positions.get(id), position, `${id} is lost`);
      }
    }
  });
}
