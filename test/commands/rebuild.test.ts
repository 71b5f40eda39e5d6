import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { hasOneStore } from '../../src/backends.js';
import { HISTORY, recordStep } from '../../src/commands/histories.js';
import type { EventLog } from '../../src/commands/log.js';
import { Rebuilds, REBUILDS_MAX } from '../../src/commands/rebuild.js';
import type { Workspace } from '../../src/commands/workspace.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { readConfig } from '../../src/config.js';
import type { Position } from '../../src/event.js';
import { instant } from '../../src/instant.js';
import {
  AUTO_CREATE,
  CONTEXT,
  withMethods,
  withWorkspaces,
  type BackEnds,
} from '../support/backends.js';
import { until } from '../until.js';
import { range, readAll } from './sealed.js';

describe('Rebuilds', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let rebuilds: Rebuilds;
  let workspace: Workspace;
  let id: string;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  beforeEach(async () => {
    rebuilds = new Rebuilds(workspaces, backEnds.store, true);
    id = `w-${randomUUID()}`;
    workspace = await workspaces.put(id, {}, CONTEXT);
  });

  afterEach(() => rebuilds.cancel(id, CONTEXT));

  const end = (): Promise<void> =>
    recordStep(workspaces, HISTORY.rebuilt, workspace.histories.rebuild!.of);
  const advance = async (searched: number, built: number): Promise<void> => {
    const { current, rebuild } = workspace.histories;
    await backEnds.store.advance(current, searched as Position);
    await backEnds.store.advance(rebuild!.of, built as Position);
  };

  it('are none until one is asked for', async () => {
    assert.deepEqual(await rebuilds.state(id), { workspace: id, generation: 0 });
  });

  it('begin with what is recorded, with who asked for it', async () => {
    const caller = { superadmin: true, userId: 'u1' };
    const { generation, rebuilding } = await rebuilds.start(id, { ...CONTEXT, caller });
    assert.deepEqual([generation, rebuilding?.generation], [0, 1]);
    const { event } = (await readAll(backEnds.log, '_system')).at(-1)!;
    assert.equal(event.type, 'history.rebuilding');
    assert.equal(event.source.userId, 'u1');
    assert.equal(event.createdAt, rebuilding?.since);
  });

  it('are joined by whoever asks for one that is running', async () => {
    const states = await Promise.all(range(0, 5).map(() => rebuilds.start(id, CONTEXT)));
    states.push(await rebuilds.start(id, CONTEXT));
    assert.deepEqual(new Set(states.map(({ rebuilding }) => rebuilding?.generation)), new Set([1]));
    await end();
    const { generation, rebuilding } = await rebuilds.start(id, CONTEXT);
    assert.deepEqual([generation, rebuilding?.generation], [1, 2]);
  });

  it('are known on another node as soon as they have begun or ended here', async () => {
    // That one hears of everything a little later.
    const late = withMethods<EventLog>(backEnds.log, {
      follow: async function* (...args) {
        for await (const batch of backEnds.log.follow(...args)) {
          const end = performance.now() + 20;
          await until('its time has come', () => performance.now() >= end);
          yield batch;
        }
      },
    });
    const other = await Workspaces.open(late, AUTO_CREATE);
    const there = new Rebuilds(other, backEnds.store, true);
    for (const generation of range(1, 4)) {
      await rebuilds.start(id, CONTEXT);
      assert.equal((await there.state(id)).rebuilding?.generation, generation);
      await there.cancel(id, CONTEXT);
      assert.equal((await rebuilds.state(id)).rebuilding, undefined);
    }
    await other.close();
  });

  it('tell how far they are, of how much, and how fast on the average', async () => {
    await rebuilds.start(id, CONTEXT);
    assert.deepEqual(await progress(), { done: 0, total: 0 });
    await advance(999, 249);
    assert.deepEqual(await progress(), { done: 250, total: 1000 });
    await advance(999, 1099);
    assert.deepEqual(await progress(), { done: 1100, total: 1100 });
    await end();
    assert.deepEqual(await rebuilds.state(id), { workspace: id, generation: 1 });
  });

  /** Of which the rate must be what the time since it was asked for makes of it. */
  const progress = async (): Promise<unknown> => {
    const before = Date.now();
    const { rebuilding } = await rebuilds.state(id);
    const { done, total, since, perSecond } = rebuilding!;
    const [least, most] = [Date.now(), before].map(
      (now) => done / Math.max((now - instant(since)) / 1000, 1),
    );
    assert.ok(perSecond >= Math.floor(least!) && perSecond <= Math.ceil(most!), `${perSecond}/s`);
    return { done, total };
  };

  it('do not count what was trimmed', async () => {
    await rebuilds.start(id, CONTEXT);
    for await (const removed of backEnds.store.trim(workspace.history, 399 as Position)) {
      assert.ok(removed >= 0);
    }
    await advance(999, 499);
    assert.deepEqual(await progress(), { done: 100, total: 600 });
  });

  it('are given up for good, and another one can begin', async () => {
    await rebuilds.start(id, CONTEXT);
    const none = { workspace: id, generation: 0 };
    assert.deepEqual(await rebuilds.cancel(id, CONTEXT), none);
    assert.deepEqual(await rebuilds.cancel(id, CONTEXT), none);
    const types = (await readAll(backEnds.log, '_system')).map(({ event }) => event.type);
    assert.deepEqual(types.slice(-2), ['history.rebuilding', 'history.cancelled']);
    assert.equal((await rebuilds.start(id, CONTEXT)).rebuilding?.generation, 2);
  });

  it('are of workspaces that there are', async () => {
    const missing = { code: 'workspace-not-found' };
    await assert.rejects(rebuilds.start('nobody', CONTEXT), missing);
    await assert.rejects(rebuilds.state('nobody'), missing);
    await assert.rejects(rebuilds.cancel('nobody', CONTEXT), missing);
  });

  it('are no more at once than can hold what they have read', async () => {
    const names = range(0, REBUILDS_MAX).map((n) => `${id}-${n}`);
    for (const name of names) {
      await workspaces.put(name, {}, CONTEXT);
      await rebuilds.start(name, CONTEXT);
    }
    await assert.rejects(rebuilds.start(id, CONTEXT), {
      code: 'limit-exceeded',
      message: /16 histories/,
    });
    assert.ok((await rebuilds.start(names[0]!, CONTEXT)).rebuilding, 'one that runs is joined');
    for (const name of names) {
      await rebuilds.cancel(name, CONTEXT);
    }
    assert.ok((await rebuilds.start(id, CONTEXT)).rebuilding);
  });

  it('are not for nodes that have a history each', async () => {
    const kafka = { KAFKA_BROKERS: 'localhost:9092' };
    const elastic = { ELASTICSEARCH_URL: 'http://localhost:9200' };
    const one = [{}, elastic, { ...kafka, ...elastic }, kafka].map((env) =>
      hasOneStore(readConfig(env)),
    );
    assert.deepEqual(one, [true, true, true, false]);
    const own = new Rebuilds(workspaces, backEnds.store, false);
    await assert.rejects(own.start(id, CONTEXT), {
      code: 'invalid-request',
      message: /each node/i,
    });
    assert.equal(workspace.histories.rebuild, undefined);
  });
});
