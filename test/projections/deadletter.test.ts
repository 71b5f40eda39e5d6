import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { BEFORE_FIRST, Recorded, type Position } from '../../src/event.js';
import { DeadLetters, type DeadLetter } from '../../src/projections/deadletter.js';
import type { EventStore } from '../../src/projections/store.js';
import { range, readAll, sealedBytes } from '../commands/sealed.js';
import {
  AUTO_CREATE,
  CONTEXT,
  Gate,
  withMethods,
  withWorkspaces,
  type BackEnds,
} from '../support/backends.js';
import { incarnation, recorded } from './recorded.js';

const END = Number.MAX_SAFE_INTEGER as Position;

describe('Dead letters', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let deadLetters: DeadLetters;
  let workspace: string;
  let epoch: string;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    ({ epoch } = await workspaces.put(workspace, {}, CONTEXT));
    deadLetters = await open();
  });

  const open = (methods: Partial<EventStore> = {}): Promise<DeadLetters> =>
    DeadLetters.open(backEnds.log, withMethods(backEnds.store, methods), workspaces);
  const park = (...positions: number[]): Promise<void> => parkOf(workspace, epoch, positions);
  const parkOf = async (of: string, in_: string, positions: readonly number[]): Promise<void> => {
    for (const position of positions) {
      await deadLetters.park(incarnation(of, in_), recorded(position), `too large at ${position}`);
    }
  };
  const listed = async (of: string | undefined = workspace, limit = 100): Promise<number[]> =>
    (await deadLetters.list(of, limit)).map(({ position }) => position);
  const history = async (): Promise<number[]> =>
    (await backEnds.store.scan(incarnation(workspace, epoch), BEFORE_FIRST, END, Infinity)).map(
      ({ position }) => position,
    );

  it('tell which event was refused, why and when, with its bytes', async () => {
    const before = new Date().toISOString();
    await park(7);
    const [letter, ...more] = await deadLetters.list(workspace, 10);
    assert.deepEqual(more, []);
    const { parkedAt, ...rest } = letter!;
    assert.ok(parkedAt >= before && parkedAt <= new Date().toISOString());
    const text = Buffer.from(recorded(7).bytes).toString();
    assert.deepEqual(rest, { workspace, epoch, position: 7, reason: 'too large at 7', text });
  });

  it('are listed oldest first, of one workspace or of all, and not too many', async () => {
    const other = `${workspace}-2`;
    const { epoch: otherEpoch } = await workspaces.put(other, {}, CONTEXT);
    await park(9, 2);
    await parkOf(other, otherEpoch, [5]);
    await park(4);
    assert.deepEqual(await listed(), [9, 2, 4]);
    assert.deepEqual(await listed(other), [5]);
    assert.deepEqual(await listed(workspace, 2), [9, 2]);
    const ours = ({ workspace: of }: DeadLetter): boolean => of === workspace || of === other;
    const all = (await deadLetters.list(undefined, 1000)).filter(ours);
    assert.deepEqual(
      all.map(({ position }) => position),
      [9, 2, 5, 4],
    );
  });

  it('are as many as there are, however large', async () => {
    const large = (position: number): Recorded =>
      recorded(position, { payload: { text: 'x'.repeat(400_000) } });
    for (const position of range(0, 7)) {
      await deadLetters.park(incarnation(workspace, epoch), large(position), 'too large');
    }
    const letters = await deadLetters.list(workspace, 10);
    assert.deepEqual(
      letters.map(({ text }) => JSON.parse(text).id as string),
      range(0, 7).map((n) => `e${n}`),
    );
  });

  it('are one for an event, however often that was refused', async () => {
    await park(1, 1, 2, 1);
    assert.deepEqual(await listed(), [1, 2]);
  });

  it('are still there after a restart', async () => {
    await park(1);
    deadLetters = await open();
    assert.deepEqual(await listed(), [1]);
  });

  describe('that are not wanted any more', () => {
    beforeEach(async () => {
      // Those of the tests before.
      await deadLetters.forget();
    });

    /** All that is written of the letters of this test, also where they are listed no more. */
    const written = async (): Promise<string[]> =>
      (await readAll(backEnds.log, '_deadletters'))
        .map(({ event: { type, payload } }) => ({ type, letter: payload as unknown as DeadLetter }))
        .filter(({ letter }) => letter.workspace.startsWith(workspace))
        .map(({ type, letter: { workspace: of, position } }) => {
          return `${type} ${of === workspace ? '' : 'other '}${position}`;
        });
    const old = (position: number, hoursAgo: number): Recorded =>
      recorded(position, { createdAt: new Date(Date.now() - hoursAgo * 3_600_000).toISOString() });

    it('are forgotten with their workspace, when that cannot be restored any more', async () => {
      const other = `${workspace}-2`;
      const { epoch: otherEpoch } = await workspaces.put(other, {}, CONTEXT);
      await park(1, 2);
      await parkOf(other, otherEpoch, [3, 4]);
      await deadLetters.replay(workspace, 1);
      await deadLetters.replay(other, 1);
      await workspaces.delete(workspace, CONTEXT, 3_600_000);
      assert.deepEqual(await listed(), []);
      await deadLetters.forget();
      await workspaces.restore(workspace, CONTEXT);
      assert.deepEqual(await listed(), [2]);
      await workspaces.delete(workspace, CONTEXT, 0);
      assert.ok((await written()).includes('deadletter.parked 1'));

      const [before] = await deadLetters.list(other, 10);
      await deadLetters.forget();
      assert.deepEqual(await written(), ['deadletter.kept other 4']);
      assert.deepEqual(await deadLetters.list(other, 10), [before]);
      await deadLetters.forget();
      assert.deepEqual(await deadLetters.replay(other, 10), { replayed: 1, refused: 0 });
      assert.deepEqual(await listed(other), []);
    });

    it('are those that the history would have forgotten, by when they were accepted', async () => {
      await workspaces.put(workspace, { retention: { history: { hours: 5 } } }, CONTEXT);
      const of = backEnds.historyOf(workspace, epoch);
      for (const hoursAgo of [9, 4, 6, 1]) {
        await deadLetters.park(of, old(hoursAgo, hoursAgo), 'too large');
      }
      const torn = new Recorded(7 as Position, Buffer.from('{"id":"e7","createdAt":'));
      await deadLetters.park(of, torn, 'no event');
      assert.deepEqual(await listed(), [4, 1, 7]);
      await deadLetters.forget();
      assert.deepEqual(await listed(), [4, 1, 7]);
      assert.equal((await written()).length, 3);
    });

    it('are forgotten also where that was cut short before, and nothing comes back', async () => {
      await park(1, 2);
      await workspaces.delete(workspace, CONTEXT, 0);
      ({ epoch } = await workspaces.put(workspace, {}, CONTEXT));
      await park(5, 6);
      let failures = 1;
      const log = withMethods<EventLog>(backEnds.log, {
        trim: (...args) =>
          failures-- > 0
            ? Promise.reject(new Error('the log does not answer'))
            : backEnds.log.trim(...args),
      });
      const failing = await DeadLetters.open(log, backEnds.store, workspaces);
      await assert.rejects(failing.forget(), /does not answer/);
      assert.deepEqual(await listed(), [5, 6]);
      assert.deepEqual(await deadLetters.replay(workspace, 1), { replayed: 1, refused: 0 });
      assert.deepEqual(await listed(), [6]);
      await failing.forget();
      assert.deepEqual(await written(), ['deadletter.kept 6']);
      assert.deepEqual(await listed(), [6]);
    });

    it('are forgotten by several nodes at once, and no other letter with them', async () => {
      await park(1);
      const other = `${workspace}-2`;
      await parkOf(other, (await workspaces.put(other, {}, CONTEXT)).epoch, [2]);
      await workspaces.delete(other, CONTEXT, 0);
      const gate = new Gate();
      const trimming = withMethods<EventLog>(backEnds.log, {
        trim: async (...args) => {
          await gate.pass();
          return backEnds.log.trim(...args);
        },
      });
      const first = (await DeadLetters.open(trimming, backEnds.store, workspaces)).forget();
      await gate.reached;
      // The other one reads twice: before, and after only the copies of the first are left.
      let passes = 0;
      const reading = withMethods<EventLog>(backEnds.log, {
        read: async (...args) => {
          if (args[1] === BEFORE_FIRST && ++passes === 2) {
            gate.open();
            await first;
          }
          return backEnds.log.read(...args);
        },
      });
      await (await DeadLetters.open(reading, backEnds.store, workspaces)).forget();
      assert.equal(passes, 2);
      assert.deepEqual(await listed(), [1]);
      assert.deepEqual(await written(), ['deadletter.kept 1']);
    });

    it('are forgotten once by a node, however often that is called for at once', async () => {
      await park(1);
      await workspaces.delete(workspace, CONTEXT, 0);
      const calls: string[] = [];
      const log = withMethods<EventLog>(backEnds.log, {
        bounds: (name) => {
          calls.push('bounds');
          return backEnds.log.bounds(name);
        },
        trim: (...args) => {
          calls.push('trim');
          return backEnds.log.trim(...args);
        },
      });
      const node = await DeadLetters.open(log, backEnds.store, workspaces);
      await Promise.all([node.forget(), node.forget()]);
      // A second one beside the first would write again what that does.
      assert.deepEqual(calls, ['bounds', 'trim', 'bounds']);
    });

    it('are told from those that are wanted also where others write', async () => {
      await backEnds.log.append('_deadletters', [sealedBytes(Buffer.from('{"type":'))]);
      await park(1);
      const other = `${workspace}-2`;
      await parkOf(other, (await workspaces.put(other, {}, CONTEXT)).epoch, [2]);
      await workspaces.delete(other, CONTEXT, 0);
      assert.deepEqual(await listed(), [1]);
      await deadLetters.forget();
      assert.deepEqual(await listed(), [1]);
      assert.deepEqual(await written(), ['deadletter.kept 1']);
    });

    it('are none of a workspace that this node does not know yet', async () => {
      const gate = new Gate();
      const held = withMethods<EventLog>(backEnds.log, {
        follow: async function* (...args) {
          for await (const batch of backEnds.log.follow(...args)) {
            yield batch;
            await (args[0] === '_system' ? gate.pass() : undefined);
          }
        },
      });
      const behind = await Workspaces.open(held, AUTO_CREATE);
      const other = `${workspace}-2`;
      const { epoch: otherEpoch } = await workspaces.put(other, {}, CONTEXT);
      await parkOf(other, otherEpoch, [3]);
      const theirs = await DeadLetters.open(backEnds.log, backEnds.store, behind);
      const forgetting = theirs.forget();
      assert.equal(behind.get(other), undefined);
      gate.open();
      await forgetting;
      assert.deepEqual(await listed(other), [3]);
      await behind.close();
    });
  });

  it('go with their workspace, and not to another of the same name', async () => {
    await park(1);
    await workspaces.delete(workspace, CONTEXT, 0);
    assert.deepEqual(await listed(), []);
    ({ epoch } = await workspaces.put(workspace, {}, CONTEXT));
    assert.deepEqual(await listed(), []);
    await park(1);
    assert.deepEqual(await listed(), [1]);
  });

  describe('replayed', () => {
    it('are stored and listed no more, once the store takes them', async () => {
      await park(3, 1);
      assert.deepEqual(await deadLetters.replay(workspace, 10), { replayed: 2, refused: 0 });
      assert.deepEqual(await history(), [1, 3]);
      assert.deepEqual(await listed(), []);
      assert.deepEqual(await deadLetters.replay(workspace, 10), { replayed: 0, refused: 0 });
    });

    it('stay where they are refused again, and stop no other', async () => {
      deadLetters = await open({
        write: async (of, records) =>
          records[0]!.position === 3 ? [{ refused: 'again' }] : backEnds.store.write(of, records),
      });
      await park(1, 3, 5);
      assert.deepEqual(await deadLetters.replay(workspace, 10), { replayed: 2, refused: 1 });
      assert.deepEqual(await listed(), [3]);
      assert.deepEqual(await history(), [1, 5]);
    });

    it('are done with where the store has them already', async () => {
      await backEnds.store.write(incarnation(workspace, epoch), [recorded(1)]);
      await park(1);
      assert.deepEqual(await deadLetters.replay(workspace, 10), { replayed: 1, refused: 0 });
      assert.deepEqual(await listed(), []);
    });

    it('are the oldest, where not all are wanted', async () => {
      await park(1, 2, 3);
      assert.deepEqual(await deadLetters.replay(workspace, 2), { replayed: 2, refused: 0 });
      assert.deepEqual(await listed(), [3]);
    });

    it('stay where the store does not answer', async () => {
      let failures = 1;
      deadLetters = await open({
        write: (of, records) =>
          failures-- > 0
            ? Promise.reject(new Error('the store does not answer'))
            : backEnds.store.write(of, records),
      });
      await park(1);
      await assert.rejects(deadLetters.replay(workspace, 10), /does not answer/);
      assert.deepEqual(await listed(), [1]);
      assert.deepEqual(await deadLetters.replay(workspace, 10), { replayed: 1, refused: 0 });
    });

    it('are listed again where they are refused again later', async () => {
      await park(1);
      await deadLetters.replay(workspace, 10);
      await park(1);
      assert.deepEqual(await listed(), [1]);
    });
  });
});
