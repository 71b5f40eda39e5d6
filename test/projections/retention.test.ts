import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { HISTORY, recordStep } from '../../src/commands/histories.js';
import type { RetentionPolicy } from '../../src/retention.js';
import type { Workspace } from '../../src/commands/workspace.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { expiredOf, removeExpired, type Removed } from '../../src/projections/retention.js';
import type { EventStore } from '../../src/projections/store.js';
import { positionsOf, range, readAll, sealed } from '../commands/sealed.js';
import { historize } from '../queries/history.js';
import { CONTEXT, withMethods, withWorkspaces, type BackEnds } from '../support/backends.js';
import { recorded } from './recorded.js';

const HOUR_MS = 3_600_000;
const END = Number.MAX_SAFE_INTEGER as Position;

describe('Retention', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let workspace: Workspace;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  beforeEach(async () => {
    workspace = await workspaces.put(`w-${randomUUID()}`, {}, CONTEXT);
  });

  /** Appends events that were accepted so many hours ago. */
  const append = (...hours: number[]): Promise<Position> =>
    backEnds.log.append(
      workspace.id,
      hours.map((ago, n) => sealed(n, Date.now() - ago * HOUR_MS)),
    );
  const policy = ({ log = {}, history = {} }: Partial<RetentionPolicy>): RetentionPolicy => ({
    log,
    history,
  });
  const hours = (maxAge: number): { maxAgeMs: number } => ({ maxAgeMs: maxAge * HOUR_MS });
  const remove = async (
    kept: Partial<RetentionPolicy>,
    store = backEnds.store,
  ): Promise<Removed> => {
    const sum = { log: 0, history: 0 };
    const ends = { log: backEnds.log, store };
    for await (const { log, history } of removeExpired(workspace, policy(kept), ends)) {
      sum.log += log;
      sum.history += history;
    }
    return sum;
  };
  const inLog = async (): Promise<number[]> =>
    positionsOf(await readAll(backEnds.log, workspace.id));
  const inHistory = async (): Promise<number[]> =>
    positionsOf(await backEnds.store.scan(workspace.history, BEFORE_FIRST, END, Infinity));

  it('removes nothing where everything is kept for ever', async () => {
    await append(9000, 8000);
    await historize(backEnds, workspace.id, 1);
    assert.deepEqual(await remove({}), { log: 0, history: 0 });
    assert.deepEqual([await inLog(), await inHistory()], [range(0, 2), range(0, 2)]);
  });

  it('removes from log and history what is too old for each, and says how much', async () => {
    await append(50, 40, 30, 20, 10, 1);
    await historize(backEnds, workspace.id, 5);
    const trimmed = async (from: string): Promise<number> =>
      (await metrics.trimmed.get()).values.find(({ labels }) => labels.from === from)?.value ?? 0;
    const before = { log: await trimmed('log'), history: await trimmed('history') };
    const kept = { log: hours(15), history: hours(35) };
    const expired = await expiredOf(workspace, policy(kept), backEnds);
    assert.deepEqual(expired, { log: { first: 0, before: 4 }, history: 1 });
    assert.deepEqual([await inLog(), await inHistory()], [range(0, 6), range(0, 6)]);

    assert.deepEqual(await remove(kept), { log: 4, history: 2 });
    assert.deepEqual([await inLog(), await inHistory()], [range(4, 6), range(2, 6)]);
    assert.deepEqual(
      { log: await trimmed('log'), history: await trimmed('history') },
      { log: before.log + 4, history: before.history + 2 },
    );
    assert.deepEqual(await remove(kept), { log: 0, history: 0 });
  });

  it('keeps in the log what is not in the history yet, however old and however much', async () => {
    await append(50, 40, 30, 20);
    const kept = { log: { ...hours(1), maxBytes: 1 } };
    assert.deepEqual(await remove(kept), { log: 0, history: 0 });
    await historize(backEnds, workspace.id, 1);
    assert.deepEqual(await remove(kept), { log: 2, history: 0 });
    assert.deepEqual(await inLog(), [2, 3]);
  });

  it('keeps in the log what a history that is being rebuilt does not have yet', async () => {
    await append(50, 40, 30, 20);
    await historize(backEnds, workspace.id, 3);
    const rebuilt = { ...workspace.history, generation: 1 };
    await recordStep(workspaces, HISTORY.rebuilding, rebuilt);
    const kept = { log: hours(1) };
    assert.deepEqual(await remove(kept), { log: 0, history: 0 });
    await backEnds.store.advance(rebuilt, 1 as Position);
    assert.deepEqual(await remove(kept), { log: 2, history: 0 });
    assert.deepEqual(await inLog(), [2, 3]);
  });

  it('takes the word of the history for that alone which a power failure cannot undo', async () => {
    await append(50, 40, 30, 20);
    await historize(backEnds, workspace.id, 3);
    const store = withMethods<EventStore>(backEnds.store, {
      settle: () => Promise.resolve(0 as Position),
    });
    assert.deepEqual(await remove({ log: hours(1) }, store), { log: 1, history: 0 });
  });

  it('keeps of the log so many bytes at least, and the younger ones in any case', async () => {
    for (const ago of [50, 40, 30, 20, 10, 1]) {
      await append(ago);
    }
    await historize(backEnds, workspace.id, 5);
    const [first] = await readAll(backEnds.log, workspace.id);
    const bytes = first!.bytes.byteLength;
    assert.deepEqual(await remove({ log: { maxBytes: 4 * bytes } }), {
      log: 2,
      history: 0,
    });
    // Either bound is enough to let go.
    await remove({ log: { ...hours(25), maxBytes: 4 * bytes } });
    assert.deepEqual(await inLog(), range(3, 6));
    await remove({ log: { ...hours(9000), maxBytes: bytes } });
    assert.deepEqual(await inLog(), [5]);
    assert.deepEqual(await inHistory(), range(0, 6));
  });

  it('empties a history in which all is too old, but not beyond its checkpoint', async () => {
    await append(50, 40, 30);
    await historize(backEnds, workspace.id, 2);
    await backEnds.store.write(workspace.history, [
      recorded(3, { createdAt: new Date(Date.now() - 20 * HOUR_MS).toISOString() }),
    ]);
    assert.deepEqual(await remove({ history: hours(1) }), { log: 0, history: 3 });
    assert.deepEqual(await inHistory(), [3]);
    assert.equal(await backEnds.store.trimmed(workspace.history), 2);
  });

  it('goes on where a trim was cut short', async () => {
    await append(...range(0, 2000).map(() => 50), 1);
    await historize(backEnds, workspace.id, 2000);
    const kept = policy({ history: hours(10) });
    for await (const { history } of removeExpired(workspace, kept, backEnds)) {
      assert.ok(history < 2000);
      break;
    }
    const { length } = await inHistory();
    assert.ok(length > 1 && length < 2001);
    assert.deepEqual(await remove(kept), { log: 0, history: length - 1 });
    assert.deepEqual(await inHistory(), [2000]);
  });

  it('never removes early, nor late, also where clocks differ', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 30 }),
        fc.nat(30),
        fc.integer({ min: 1, max: 20 }),
        async (ages, checkpoint, maxAge) => {
          const own = await workspaces.put(`w-${randomUUID()}`, {}, CONTEXT);
          const records = ages.map((ago, position) =>
            recorded(position, {
              createdAt: new Date(Date.now() - ago * HOUR_MS).toISOString(),
            }),
          );
          await backEnds.store.write(own.history, records);
          await backEnds.store.advance(own.history, checkpoint as Position);
          const kept = policy({ history: hours(maxAge + 0.5) });
          const { history } = await expiredOf(own, kept, backEnds);
          const first = ages.findIndex((age) => age <= maxAge);
          const beyond = Math.min(first === -1 ? ages.length : first, checkpoint + 1);
          assert.equal(history, beyond - 1);
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });

  it('is none of a workspace that is another one by now', async () => {
    await backEnds.log.drop(workspace.id, workspace.epoch);
    await backEnds.log.create(workspace.id, {});
    await assert.rejects(remove({ log: hours(1) }), { code: 'workspace-not-found' });
  });
});
