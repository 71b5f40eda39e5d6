import assert from 'node:assert/strict';
import type { EventLog } from '../../src/commands/log.js';
import type { Workspace } from '../../src/commands/workspace.js';
import type { Position } from '../../src/event.js';
import { Projector } from '../../src/projections/project.js';
import { Retainer } from '../../src/projections/retainer.js';
import { ALL_SHARES, type Shares } from '../../src/projections/shares.js';
import type { EventStore } from '../../src/projections/store.js';
import type { Retention } from '../../src/retention.js';
import { CONTEXT, Gate, withMethods } from '../support/backends.js';
import { until } from '../until.js';
import { recorded } from './recorded.js';
import { fill, HOUR_MS, KEPT, withShelf, type Shelf } from './shelf.js';

describe('The rounds of retention', () => {
  let shelf: Shelf;
  let retainers: Retainer[];

  withShelf((made) => {
    shelf = made;
    retainers = [];
  });

  afterEach(() => Promise.all(retainers.map((each) => each.stop())));

  const start = (
    methods: { log?: Partial<EventLog>; store?: Partial<EventStore> } = {},
    shares: Shares = ALL_SHARES,
    intervalMs = 10,
  ): Retainer => {
    const log = withMethods<EventLog>(shelf.log, methods.log ?? {});
    const store = withMethods(shelf.store, methods.store ?? {});
    const retainer = new Retainer({ ...shelf, log, store }, shelf.workspaces, shares, intervalMs);
    retainers.push(retainer);
    retainer.start();
    return retainer;
  };
  const filled = (name = shelf.id, config: object = KEPT): Promise<Workspace> =>
    fill(shelf, name, 1, config);
  const isTrimmed = async (of: Workspace): Promise<boolean> =>
    (await shelf.log.bounds(of.id)).first === 1 &&
    (await shelf.store.trimmed(of.history)) === (0 as Position);

  it('come again and again, for every workspace that there is by then', async () => {
    const before = await filled();
    start();
    await until('it is trimmed', () => isTrimmed(before));
    const later = await filled(`${shelf.id}-2`);
    await until('the next is trimmed', () => isTrimmed(later));
  });

  it('heed what a workspace says from now on', async () => {
    const of = await filled(shelf.id, {
      retention: { log: { hours: 24 }, history: { hours: 24 } },
    });
    const other = await filled(`${shelf.id}-2`);
    start();
    await until('the other one is trimmed', () => isTrimmed(other));
    assert.equal(await isTrimmed(of), false);
    await shelf.workspaces.put(shelf.id, KEPT, CONTEXT);
    await until('it is trimmed', () => isTrimmed(of));
  });

  it('keep to the share of the node', async () => {
    const mine = await filled();
    const theirs = await filled(`${shelf.id}-2`);
    const shares = new Set([shelf.id]);
    start({}, { ...ALL_SHARES, has: (name) => shares.has(name) });
    await until('mine is trimmed', () => isTrimmed(mine));
    assert.equal(await isTrimmed(theirs), false);
    shares.add(theirs.id);
    await until('theirs is trimmed', () => isTrimmed(theirs));
  });

  it('tell each log once what it may forget, and again when that is something else', async () => {
    const { epoch } = await filled();
    const told: Retention[] = [];
    let rounds = 0;
    start({
      log: {
        retain: async (...args) => {
          if (args[0] === shelf.id) {
            assert.equal(args[1], epoch);
            told.push(args[2]);
          }
          await shelf.log.retain(...args);
        },
        bounds: (name) => {
          rounds += name === shelf.id ? 1 : 0;
          return shelf.log.bounds(name);
        },
      },
    });
    await until('some rounds are over', () => rounds > 3);
    assert.deepEqual(told, [{ maxAgeMs: HOUR_MS }]);
    await shelf.workspaces.put(shelf.id, { retention: { log: { bytes: 1_048_576 } } }, CONTEXT);
    await until('it is told again', () => told.length === 2);
    assert.deepEqual(told[1], { maxBytes: 1_048_576 });
  });

  it('go on with the others where one fails, and try that again', async () => {
    const failing = await filled();
    const other = await filled(`${shelf.id}-2`);
    let failures = 3;
    start({
      store: {
        checkpoint: (of) =>
          of.id === shelf.id && failures-- > 0
            ? Promise.reject(new Error('the store does not answer'))
            : shelf.store.checkpoint(of),
      },
    });
    await until('the other one is trimmed', () => isTrimmed(other));
    await until('the failing one is trimmed', () => isTrimmed(failing));
    assert.ok(failures < 0);
  });

  it('let go what was deleted, when its grace is over and not before', async () => {
    const early = await filled();
    const late = await filled(`${shelf.id}-2`);
    const now = new Date().toISOString();
    await shelf.deadLetters.park(early.history, recorded(7, { createdAt: now }), 'too large');
    await shelf.deadLetters.park(late.history, recorded(8, { createdAt: now }), 'too large');
    await shelf.workspaces.delete(early.id, CONTEXT, 50);
    await shelf.workspaces.delete(late.id, CONTEXT, HOUR_MS);
    const projector = new Projector(shelf, shelf.workspaces, ALL_SHARES);
    projector.start();
    start();
    const left = (): string[] => shelf.workspaces.deleted().map(({ workspace }) => workspace.id);
    await until('the one is gone', () => !left().includes(early.id));
    await projector.stop();
    await assert.rejects(shelf.log.bounds(early.id), { code: 'workspace-not-found' });
    assert.equal(await shelf.store.checkpoint(early.history), -1);
    assert.deepEqual(left(), [late.id]);
    const parked = (await shelf.deadLetters.list(undefined, 100)).map(({ workspace }) => workspace);
    assert.ok(!parked.includes(early.id));
    // The other one is there with all that it had.
    await shelf.workspaces.restore(late.id, CONTEXT);
    assert.equal((await shelf.log.bounds(late.id)).next, 2);
    assert.equal(await shelf.store.checkpoint(late.history), 1);
    assert.equal((await shelf.deadLetters.list(late.id, 100)).length, 1);
  });

  it('end between two steps when the node stops', async () => {
    const of = await filled();
    const gate = new Gate();
    let steps = 0;
    const retainer = start({
      store: {
        trim: async function* (...args) {
          for await (const removed of shelf.store.trim(...args)) {
            if (args[0].id !== shelf.id) {
              continue;
            }
            steps++;
            await gate.pass();
            yield removed;
            assert.fail('it has gone on');
          }
        },
      },
    });
    await gate.reached;
    const stopping = retainer.stop();
    gate.open();
    await stopping;
    assert.equal(steps, 1);
    assert.equal(await isTrimmed(of), true);
  });
});
