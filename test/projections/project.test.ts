import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { seal } from '../../src/commands/fit.js';
import type { EventLog } from '../../src/commands/log.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { ServiceError } from '../../src/errors.js';
import {
  BEFORE_FIRST,
  type Event,
  type Incarnation,
  type Position,
  type Recorded,
} from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { Projector } from '../../src/projections/project.js';
import { ALL_SHARES } from '../../src/projections/shares.js';
import type { EventStore } from '../../src/projections/store.js';
import {
  dropLog,
  numbered,
  numbersOf,
  positionsOf,
  range,
  sealed,
  sealedBytes,
} from '../commands/sealed.js';
import { CONTEXT, Gate, withMethods, withWorkspaces, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';

const END = Number.MAX_SAFE_INTEGER as Position;

describe('The projection', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let deadLetters: DeadLetters;
  let projector: Projector;
  let workspace: string;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  before(async () => {
    deadLetters = await DeadLetters.open(backEnds.log, backEnds.store, workspaces);
  });

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    await workspaces.put(workspace, {}, CONTEXT);
  });

  afterEach(() => projector.stop());

  /**
   * Starts it on the real store, but for some of its calls.
   *
   * @param tell Called before the log of the workspace of this test is followed.
   */
  const start = (
    methods: Partial<EventStore> = {},
    shares = ALL_SHARES,
    tell?: () => void,
  ): void => {
    const store = withMethods(backEnds.store, methods);
    const log = withMethods<EventLog>(backEnds.log, {
      follow: (of, ...args) => {
        (of === workspace ? tell : undefined)?.();
        return backEnds.log.follow(of, ...args);
      },
    });
    projector = new Projector({ log, store, deadLetters }, workspaces, shares);
    projector.start();
  };
  /** Starts it with a store that waits before it writes the events of this test, five of them. */
  const startHeld = async (): Promise<Gate> => {
    const gate = new Gate();
    start({
      write: async (of, records) => {
        await (of.id === workspace ? gate.pass() : undefined);
        return backEnds.store.write(of, records);
      },
    });
    await append(0, 5);
    await gate.reached;
    return gate;
  };
  const append = (from: number, to: number, of = workspace): Promise<Position> =>
    backEnds.log.append(of, numbered(from, to));
  const historized = (position: number, of = workspace): Promise<boolean> =>
    until(`${of} is historized up to ${position}`, async () => {
      const known = workspaces.get(of);
      return known && (await backEnds.store.checkpoint(known.history)) === (position as Position);
    });
  const history = async (of = workspace): Promise<readonly Recorded[]> =>
    backEnds.store.scan((await workspaces.require(of)).history, BEFORE_FIRST, END, Infinity);
  const counted = async (outcome: string): Promise<number> =>
    (await metrics.historized.get()).values.find(({ labels }) => labels.outcome === outcome)
      ?.value ?? 0;
  /** Fails the first so many calls for the workspace of this test. */
  const failing = <A extends unknown[], R>(
    times: number,
    work: (of: Incarnation, ...args: A) => Promise<R>,
  ): ((of: Incarnation, ...args: A) => Promise<R>) => {
    let failures = times;
    return (of, ...args) =>
      of.id === workspace && failures-- > 0
        ? Promise.reject(new Error('the store does not answer'))
        : work(of, ...args);
  };

  it('carries every event of every workspace into the store, from before and later', async () => {
    await append(0, 1000);
    start();
    await historized(999);
    for (const n of range(1000, 1010)) {
      await append(n, n + 1);
    }
    const later = `${workspace}-2`;
    await workspaces.put(later, {}, CONTEXT);
    await append(0, 5, later);
    await historized(1009);
    await historized(4, later);
    assert.deepEqual(numbersOf(await history()), range(0, 1010));
    assert.deepEqual(numbersOf(await history(later)), range(0, 5));
    const { next } = await backEnds.log.bounds('_system');
    await historized(next - 1, '_system');
  });

  it('goes on where it stopped, and does nothing after that', async () => {
    const written: number[] = [];
    const spying = {
      write: (of: Incarnation, records: readonly Recorded[]) => {
        written.push(...(of.id === workspace ? positionsOf(records) : []));
        return backEnds.store.write(of, records);
      },
    };
    start(spying);
    await append(0, 5);
    await historized(4);
    await projector.stop();
    await append(5, 8);
    await workspaces.put(`${workspace}-2`, {}, CONTEXT);
    assert.deepEqual(written, range(0, 5));
    start(spying);
    await historized(7);
    assert.deepEqual(written, range(0, 8));
  });

  it('keeps out what was sent to be kept out, and nothing that only looks like it', async () => {
    const { event } = sealed(0);
    const of = (parts: Partial<Event>): ReturnType<typeof seal> =>
      seal({ ...event, id: randomUUID(), ...parts }, JSON.stringify(event.source));
    await backEnds.log.append(workspace, [
      of({ options: { persist: false } }),
      of({ options: { persist: true } }),
      of({ payload: { options: { persist: false } } }),
      of({ payload: { text: '"persist":false' } }),
      of({ options: {} }),
      of({ options: { persist: false } }),
    ]);
    start();
    await historized(5);
    assert.deepEqual(positionsOf(await history()), [1, 2, 3, 4]);
    await projector.stop();
    const next = `${workspace}-2`;
    await workspaces.put(next, {}, CONTEXT);
    await backEnds.log.append(next, [of({ options: { persist: false } })]);
    start();
    await historized(0, next);
    assert.deepEqual(await history(next), []);
  });

  describe('when the store fails', () => {
    it('to write, tries again, ever more slowly, until it does not', async () => {
      await append(0, 10);
      const begin = performance.now();
      start({
        write: failing(2, (of, records: readonly Recorded[]) => backEnds.store.write(of, records)),
      });
      await historized(9);
      assert.ok(performance.now() - begin >= 199 + 399);
      assert.deepEqual(numbersOf(await history()), range(0, 10));
    });

    it('to move the checkpoint, writes the same again, which is there already', async () => {
      await append(0, 10);
      const before = await counted('exists');
      start({
        advance: failing(1, (of, checkpoint: Position) => backEnds.store.advance(of, checkpoint)),
      });
      await historized(9);
      assert.equal(await counted('exists'), before + 10);
      assert.deepEqual(numbersOf(await history()), range(0, 10));
    });

    it('stops at once all the same', async () => {
      await append(0, 10);
      let tries = 0;
      start({
        write: (of, records) => {
          tries += of.id === workspace ? 1 : 0;
          return of.id === workspace
            ? Promise.reject(new Error('no'))
            : backEnds.store.write(of, records);
        },
      });
      await until('it has tried', () => tries >= 4);
      const begin = performance.now();
      await projector.stop();
      // It waits for 1600 ms by then.
      assert.ok(performance.now() - begin < 1200);
      assert.deepEqual(await history(), []);
    });
  });

  it('lets no workspace wait for another', async () => {
    const gate = await startHeld();
    const other = `${workspace}-2`;
    await workspaces.put(other, {}, CONTEXT);
    await append(0, 5, other);
    await historized(4, other);
    assert.deepEqual(await history(), []);
    gate.open();
    await historized(4);
  });

  it('parks what the store refuses, and goes on with what is behind it', async () => {
    await append(0, 1);
    const broken = ['{"id":"a","ty', 'null', '{"options":{"persist":false}'];
    await backEnds.log.append(
      workspace,
      broken.map((text) => sealedBytes(Buffer.from(text))),
    );
    await append(4, 6);
    const before = await counted('refused');
    start();
    await historized(5);
    assert.deepEqual(numbersOf(await history()), [0, 4, 5]);
    const letters = await deadLetters.list(workspace, 10);
    assert.deepEqual(
      letters.map(({ position, text }) => [position, text]),
      broken.map((text, index) => [index + 1, text]),
    );
    assert.ok(letters.every(({ reason }) => reason.length > 0));
    assert.equal(await counted('refused'), before + 3);
  });

  describe('of a workspace that is deleted', () => {
    const left = (of: Incarnation): Promise<readonly Recorded[]> =>
      backEnds.store.scan(of, BEFORE_FIRST, END, Infinity);
    const purged = async (of: Incarnation): Promise<void> => {
      await until('it is purged', () => !workspaces.get(of.id) && !workspaces.deleted().length);
      assert.deepEqual(await left(of), []);
      assert.equal(await backEnds.store.checkpoint(of), BEFORE_FIRST);
    };

    it('forgets its history', async () => {
      const of = (await workspaces.require(workspace)).history;
      start();
      await append(0, 5);
      await historized(4);
      await workspaces.delete(workspace, CONTEXT, 0);
      await purged(of);
    });

    it('forgets it also at the next start, and when the store fails at first', async () => {
      const of = (await workspaces.require(workspace)).history;
      await append(0, 5);
      start();
      await historized(4);
      await projector.stop();
      await workspaces.delete(workspace, CONTEXT, 0);
      assert.equal((await left(of)).length, 5);
      start({ drop: failing(1, (dropped) => backEnds.store.drop(dropped)) });
      await purged(of);
    });

    it('drops the log that a crash has left behind a deletion', async () => {
      const of = (await workspaces.require(workspace)).history;
      const payload = { workspace, epoch: of.epoch };
      await workspaces.record('workspace.deleted', payload, CONTEXT);
      assert.equal((await backEnds.log.bounds(workspace)).epoch, of.epoch);
      start();
      await purged(of);
      await assert.rejects(backEnds.log.bounds(workspace), { code: 'workspace-not-found' });
    });

    it('holds one that is made again to its own events', async () => {
      const of = (await workspaces.require(workspace)).history;
      const gate = new Gate();
      start({
        write: async (to, records) => {
          await (to.epoch === of.epoch ? gate.pass() : undefined);
          return backEnds.store.write(to, records);
        },
      });
      await append(0, 5);
      await gate.reached;
      await workspaces.delete(workspace, CONTEXT, 0);
      await workspaces.put(workspace, {}, CONTEXT);
      await append(100, 103);
      await historized(2);
      assert.deepEqual(numbersOf(await history()), [100, 101, 102]);
      gate.open();
      await until('the old one is purged', () => workspaces.deleted().length === 0);
      assert.deepEqual(await left(of), []);
      assert.deepEqual(numbersOf(await history()), [100, 101, 102]);
    });

    it('carries what is made again, also if the log does not find that at first', async () => {
      let failures = 0;
      start({}, ALL_SHARES, () => {
        // A node may remember the topic of before, until it has asked for it in vain.
        if (failures-- > 0) {
          throw new ServiceError('workspace-not-found', 'not yet');
        }
      });
      await append(0, 1);
      await historized(0);
      await workspaces.delete(workspace, CONTEXT, 0);
      failures = 1;
      await workspaces.put(workspace, {}, CONTEXT);
      await append(1, 4);
      await historized(2);
      assert.deepEqual(numbersOf(await history()), [1, 2, 3]);
    });

    it('tries again where only its log is gone, until it is deleted', async () => {
      const of = (await workspaces.require(workspace)).history;
      await dropLog(backEnds.log, workspace);
      let tries = 0;
      start({}, ALL_SHARES, () => tries++);
      await until('it has tried again', () => tries >= 2);
      assert.ok((await projector.lag()).events >= 0);
      await workspaces.delete(workspace, CONTEXT, 0);
      await purged(of);
    });
  });

  it('keeps to its share, also when that changes', async () => {
    const mine = new Set([workspace]);
    let changed!: () => void;
    start(
      {},
      {
        ...ALL_SHARES,
        has: (of) => mine.has(of),
        onChanged: (listener) => {
          changed = listener;
        },
      },
    );
    const others = [`${workspace}-2`, `${workspace}-3`] as const;
    for (const other of others) {
      await workspaces.put(other, {}, CONTEXT);
      await append(0, 5, other);
    }
    await append(0, 5);
    await historized(4);
    mine.delete(workspace);
    mine.add(others[1]);
    changed();
    await append(5, 10);
    await historized(4, others[1]);
    assert.deepEqual(await history(others[0]), []);
    assert.deepEqual(numbersOf(await history()), range(0, 5));
    mine.add(workspace);
    changed();
    await historized(9);
    assert.deepEqual(numbersOf(await history()), range(0, 10));
  });

  describe('tells how far it is behind', () => {
    it('in events, and by the oldest one in work, also while it waits to try again', async () => {
      const gate = new Gate();
      let tries = 0;
      start({
        write: async (of, records) => {
          if (of.id === workspace && ++tries <= 2) {
            await (tries === 1 ? gate.pass() : undefined);
            throw new Error('the store does not answer');
          }
          return backEnds.store.write(of, records);
        },
      });
      const { next } = await backEnds.log.bounds('_system');
      await historized(next - 1, '_system');
      assert.equal((await projector.lag()).events, 0);
      const acceptedAt = Date.now() - 60_000;
      await backEnds.log.append(
        workspace,
        range(0, 7).map((n) => sealed(n, acceptedAt)),
      );
      await gate.reached;
      const isBehind = async (): Promise<void> => {
        const { events, seconds } = await projector.lag();
        assert.equal(events, 7);
        assert.ok(seconds >= 60 && seconds < 120, `${seconds} s`);
      };
      await isBehind();
      gate.open();
      await until('it has failed twice', async () => {
        await isBehind();
        return tries === 2;
      });
      await isBehind();
      await historized(6);
      await until('it is behind no more', async () => (await projector.lag()).events === 0);
      assert.ok((await projector.lag()).seconds < 1);
    });

    it('but not of a workspace that is gone', async () => {
      const gate = await startHeld();
      await workspaces.delete(workspace, CONTEXT, 0);
      const { next } = await backEnds.log.bounds('_system');
      await historized(next - 1, '_system');
      assert.equal((await projector.lag()).events, 0);
      gate.open();
    });
  });
});
