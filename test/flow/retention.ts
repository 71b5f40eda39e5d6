import assert from 'node:assert/strict';
import type { Config } from '../../src/config.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { cleanUp } from '../support/cleanup.js';
import { emit, eventsUrl, request, type Reply } from '../support/client.js';
import { readLog } from '../support/log.js';
import type { TestNode } from '../support/node.js';
import { until } from '../until.js';
import { answersAfter } from './answers.js';
import { complaintsAbout, Load, READINGS, type Acknowledged } from './kept.js';

export const EVENTS_PER_SECOND = 200;
const READINGS_MIN = 9;
const END = Number.MAX_SAFE_INTEGER as Position;

/** How long events are kept, in ms, and for how long they come before that is looked at closely. */
export interface Times {
  readonly log: number;
  readonly history: number;
  readonly loaded: number;
}

/** So much longer than a round that these can be told apart, and than a reading takes. */
export const EMBEDDED: Times = { log: 1000, history: 2500, loaded: 4500 };

/** Makes a workspace that keeps its events for so long. */
export async function keep(url: string, workspace: string, times: Times): Promise<void> {
  const hours = (ms: number): { hours: number } => ({ hours: ms / 3_600_000 });
  const json = { retention: { log: hours(times.log), history: hours(times.history) } };
  const { status } = await request(`${url}/v2/workspaces/${workspace}`, { method: 'PUT', json });
  assert.equal(status, 201);
}

/** A service whose node for clients is looked into. */
export interface Running {
  readonly node: TestNode;
  stop(): Promise<void>;
}

/** What retention, deletion and cleanup promise while events come. */
export function retention(
  times: Times,
  start: (config: Partial<Config>) => Promise<Running>,
): void {
  let running: Running;
  let node: TestNode;
  let load: Load;

  before(async function () {
    this.timeout(60_000);
    running = await start({ retentionSeconds: 1, ringBytesMax: 0 });
    ({ node } = running);
    load = new Load(node.url, 'kept');
    await keep(node.url, 'kept', times);
    load.start(EVENTS_PER_SECOND);
  });
  after(async () => {
    await load.stop();
    await running.stop();
  });

  const address = (workspace: string): string => `${node.url}/v2/workspaces/${workspace}`;
  /** What log and history hold themselves. */
  const held = async (): Promise<{ log: number; history: readonly number[] }> => {
    const { log, store, workspaces } = node.service;
    const { history } = await workspaces.require(load.workspace);
    const records = await store.scan(history, BEFORE_FIRST, END, Infinity);
    return {
      log: (await log.bounds(load.workspace)).first,
      history: records.map(({ position }) => position),
    };
  };

  it('loses nothing it is to keep, has nothing twice, and says what is gone', async function () {
    this.timeout(120_000);
    const end = performance.now() + times.loaded;
    let readings = 0;
    await until('there are some', () => load.acknowledged.length > 0);
    while (performance.now() < end || readings < READINGS_MIN) {
      for (const way of Object.keys(READINGS) as (keyof typeof READINGS)[]) {
        assert.deepEqual(await complaintsAbout(way, node.url, load, times.history), []);
        readings++;
      }
      if (readings % 2 === 0) {
        const lines = await cleanUp(node.url, '?workspace=kept');
        assert.equal(lines.at(-2)?.done, true);
      }
    }
    // All that under rounds and cleanups that had something to remove.
    const { log, history } = await held();
    assert.ok(log > history[0]! && history[0]! > 0, JSON.stringify({ log, first: history[0] }));
  });

  it('brings a workspace back as it was, and purges it in the end', async function () {
    this.timeout(120_000);
    const other = new Load(node.url, 'other');
    for (let n = 0; n < 30; n++) {
      await other.emit();
    }
    const { cursor } = other.acknowledged.at(-1)!;
    await request(eventsUrl(node.url, 'other', { waitFor: cursor, wait: '30', limit: '1' }));
    const { body: before } = await request(address('other'));
    const remove = (grace: string): Promise<Reply> =>
      request(`${address('other')}${grace}`, { method: 'DELETE' });
    await remove('');
    assert.equal((await request(address('other'))).status, 404);
    assert.equal((await emit(node.url, 'other', [{}])).status, 409);
    const { body: restored } = await request(`${address('other')}/restore`, { method: 'POST' });
    assert.deepEqual(restored, before);
    assert.deepEqual(
      (await readLog(node.url, 'other')).map(({ id }) => id),
      other.acknowledged.map(({ id }) => id),
    );
    for (const way of Object.keys(READINGS) as (keyof typeof READINGS)[]) {
      assert.deepEqual(await complaintsAbout(way, node.url, other, Infinity), []);
    }

    const { history } = await node.service.workspaces.require('other');
    await remove(`?grace=${1 / 3600}`);
    await until('it is purged', () => node.service.workspaces.deleted().length === 0, 30_000);
    assert.deepEqual(await node.service.store.scan(history, BEFORE_FIRST, END, Infinity), []);
    const again = new Load(node.url, 'other');
    await again.emit();
    assert.notEqual((await request(address('other'))).body.epoch, restored.epoch);
    assert.deepEqual(await complaintsAbout('search', node.url, again, Infinity), []);
    assert.equal((await readLog(node.url, 'other')).length, again.acknowledged.length);
  });

  it('has nothing left beyond retention after a cleanup, and all within', async function () {
    this.timeout(120_000);
    const began = Date.now();
    const lines = await cleanUp(node.url);
    assert.equal(lines.at(-1)?.total?.failed, 0);
    const { cursor: waitFor, position: historized } = load.acknowledged.at(-1)!;
    await request(eventsUrl(node.url, 'kept', { waitFor, wait: '30', limit: '1' }));
    const { log, history } = await held();
    // By now the rounds may have removed more.
    const ended = Date.now();
    const positions = (isMeant: (event: Acknowledged) => boolean): number[] =>
      load.acknowledged.filter(isMeant).map(({ position }) => position);
    const gone = (maxAgeMs: number): number[] =>
      positions(({ ackedAt }) => ackedAt < began - maxAgeMs);
    const kept = (maxAgeMs: number): number[] =>
      positions(({ sentAt }) => sentAt >= ended - maxAgeMs);
    assert.ok(gone(times.history).length > 0 && kept(times.log).length > 0);
    assert.ok(log > Math.max(...gone(times.log)) && log <= Math.min(...kept(times.log)));
    const has = new Set(history);
    assert.equal(has.size, history.length);
    assert.deepEqual(
      gone(times.history).filter((position) => has.has(position)),
      [],
    );
    assert.deepEqual(
      kept(times.history).filter((position) => position <= historized && !has.has(position)),
      [],
    );
  });

  it('tells who comes back whether what came after the cursor is lost', async () => {
    const { cursor: old } = load.acknowledged[0]!;
    for (const { recovered, reason } of await answersAfter(node.url, 'kept', old)) {
      assert.deepEqual([recovered, reason], [false, 'expired']);
    }
    const { cursor: recent } = load.acknowledged.at(-1)!;
    for (const { recovered } of await answersAfter(node.url, 'kept', recent)) {
      assert.equal(recovered, true);
    }
  });
}
