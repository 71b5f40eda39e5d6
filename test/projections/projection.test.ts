import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { LogTruncated, type EventLog } from '../../src/commands/log.js';
import { BEFORE_FIRST, type Incarnation, type Position } from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { Projection } from '../../src/projections/projection.js';
import type { EventStore } from '../../src/projections/store.js';
import { numbered, numbersOf, range, readAll, trimLog } from '../commands/sealed.js';
import { Gate, withMethods, withWorkspaces, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';
import { historize } from '../queries/history.js';
import { END } from './newest.js';

describe('A projection', () => {
  let backEnds: BackEnds;
  let deadLetters: DeadLetters;
  let of: Incarnation;
  let stopping: AbortController;
  let running: Promise<void>;

  withWorkspaces((opened, workspaces) => {
    backEnds = opened;
    before(async () => {
      deadLetters = await DeadLetters.open(opened.log, opened.store, workspaces);
    });
  });

  beforeEach(async () => {
    const id = `w-${randomUUID()}`;
    const { epoch } = await backEnds.log.create(id, {});
    of = backEnds.historyOf(id, epoch);
    stopping = new AbortController();
    running = Promise.resolve();
  });

  afterEach(async () => {
    stopping.abort();
    await running;
  });

  /** One on the real store, but for some of its calls. */
  const projection = (methods: Partial<EventStore> = {}, incarnation = of): Projection =>
    new Projection(incarnation, {
      log: backEnds.log,
      store: withMethods(backEnds.store, methods),
      deadLetters,
    });
  const start = (): void => {
    running = projection().run(stopping.signal);
  };
  /** One that has found its log to be cut, and is to begin anew. */
  const cutOne = async (): Promise<Projection> => {
    const again = projection();
    await assert.rejects(again.run(stopping.signal), LogTruncated);
    return again;
  };
  const carried = (by: Projection, position: number): Promise<boolean> =>
    until('it is carried', () => by.checkpoint === (position as Position));
  const append = (from: number, to: number): Promise<Position> =>
    backEnds.log.append(of.id, numbered(from, to));
  const historized = (position: number): Promise<boolean> =>
    until(`it is historized up to ${position}`, async () => {
      return (await backEnds.store.checkpoint(of)) === (position as Position);
    });
  const history = async (): Promise<number[]> =>
    numbersOf(await backEnds.store.scan(of, BEFORE_FIRST, END, Infinity));
  const countedBy = async (counter: typeof metrics.unhistorized): Promise<number> =>
    (await counter.get()).values[0]?.value ?? 0;

  describe('where the log has forgotten what was not historized', () => {
    it('goes on, and tells what was lost', async () => {
      const before = await countedBy(metrics.unhistorized);
      await append(0, 10);
      await backEnds.store.advance(of, 1 as Position);
      await trimLog(backEnds.log, of.id, 4);
      start();
      await historized(9);
      assert.deepEqual(await history(), range(4, 10));
      assert.equal(await countedBy(metrics.unhistorized), before + 2);
      assert.deepEqual(await backEnds.store.losses(of), [{ after: 1, before: 4 }]);
    });

    it('goes on only once that is kept', async () => {
      await append(0, 10);
      await trimLog(backEnds.log, of.id, 4);
      const lose = (): Promise<void> => Promise.reject(new Error('the store does not answer'));
      await assert.rejects(projection({ lose }).run(stopping.signal), /does not answer/);
      assert.deepEqual(await history(), []);
      start();
      await historized(9);
      assert.deepEqual(await backEnds.store.losses(of), [{ after: -1, before: 4 }]);
    });

    it('takes what was restored without its checkpoint for whole as far as it goes', async () => {
      const before = await countedBy(metrics.unhistorized);
      await append(0, 20);
      const records = await readAll(backEnds.log, of.id);
      await backEnds.store.write(of, records.slice(0, 6));
      await trimLog(backEnds.log, of.id, 10);
      start();
      await historized(19);
      assert.deepEqual(await backEnds.store.losses(of), [{ after: 5, before: 10 }]);
      assert.equal(await countedBy(metrics.unhistorized), before + 4);
    });
  });

  it('tells of no loss where there is none', async () => {
    await append(0, 10);
    await backEnds.store.advance(of, 3 as Position);
    await trimLog(backEnds.log, of.id, 4);
    start();
    await historized(9);
    assert.deepEqual(await backEnds.store.losses(of), []);
  });

  it('carries over all that the log has where that has lost what was historized', async () => {
    const before = await countedBy(metrics.logTruncations);
    await append(0, 5);
    await trimLog(backEnds.log, of.id, 2);
    await backEnds.store.advance(of, 7 as Position);
    const again = await cutOne();
    assert.equal(await countedBy(metrics.logTruncations), before + 1);
    running = again.run(stopping.signal);
    await until('it is carried', async () => (await history()).length === 3);
    // These stand where the history is already.
    await append(5, 7);
    await until('they are carried', async () => (await history()).length === 5);
    assert.equal(await backEnds.store.checkpoint(of), 7);
    await append(7, 10);
    await historized(9);
    assert.deepEqual(await history(), range(2, 10));
    assert.deepEqual(await backEnds.store.losses(of), []);
  });

  it('does so to the end, also if the store fails and the log goes on meanwhile', async () => {
    await append(0, 5);
    await backEnds.store.advance(of, 7 as Position);
    let failures = 1;
    const again = projection({
      write: (...args) =>
        failures-- > 0
          ? Promise.reject(new Error('the store does not answer'))
          : backEnds.store.write(...args),
    });
    await assert.rejects(again.run(stopping.signal), LogTruncated);
    await append(5, 10);
    await assert.rejects(again.run(stopping.signal), /does not answer/);
    running = again.run(stopping.signal);
    await historized(9);
    assert.deepEqual(await history(), range(0, 10));
  });

  it('ends only when nothing is under way that would move the checkpoint', async () => {
    const gate = new Gate();
    // So many that the next are read while they are being written.
    await append(0, 300);
    const ending = new Projection(of, {
      log: withMethods<EventLog>(backEnds.log, {
        follow: async function* (...args) {
          yield* [await backEnds.log.read(of.id, BEFORE_FIRST, Infinity)];
          throw new LogTruncated(of.id, args[2]);
        },
      }),
      store: withMethods(backEnds.store, {
        write: async (...args) => {
          await gate.pass();
          return backEnds.store.write(...args);
        },
      }),
      deadLetters,
    }).run(stopping.signal);
    ending.catch(() => undefined);
    await gate.reached;
    gate.open();
    await assert.rejects(ending, LogTruncated);
    assert.equal(await backEnds.store.checkpoint(of), 299);
  });

  it('takes for lost nothing that was historized before it began anew', async () => {
    await append(0, 20);
    await backEnds.store.write(of, await readAll(backEnds.log, of.id));
    await backEnds.store.advance(of, 29 as Position);
    const again = await cutOne();
    await trimLog(backEnds.log, of.id, 10);
    running = again.run(stopping.signal);
    await carried(again, 19);
    assert.deepEqual(await backEnds.store.losses(of), []);
  });

  it('brings nothing back that was trimmed', async () => {
    await append(0, 5);
    await backEnds.store.advance(of, 7 as Position);
    for await (const removed of backEnds.store.trim(of, 2 as Position)) {
      assert.ok(removed > 0);
    }
    const again = await cutOne();
    running = again.run(stopping.signal);
    await carried(again, 4);
    assert.deepEqual(await history(), [3, 4]);
  });

  it('takes for lost nothing that another node has historized', async () => {
    await append(0, 20);
    const gate = new Gate();
    const paused = projection({
      write: async (...args) => {
        await gate.pass();
        return backEnds.store.write(...args);
      },
    });
    running = paused.run(stopping.signal);
    await gate.reached;
    await historize(backEnds, of.id, 19);
    await append(20, 30);
    await historize(backEnds, of.id, 29);
    await trimLog(backEnds.log, of.id, 25);
    gate.open();
    await carried(paused, 29);
    assert.deepEqual(await backEnds.store.losses(of), []);
  });

  it('begins anew where a log that was made anew ends before what was trimmed', async () => {
    await append(0, 5);
    await backEnds.store.advance(of, 20 as Position);
    for await (const removed of backEnds.store.trim(of, 10 as Position)) {
      assert.equal(removed, 0);
    }
    const again = await cutOne();
    running = again.run(stopping.signal);
    await carried(again, 4);
    assert.deepEqual(await history(), range(0, 5));
  });

  it('carries nothing of another incarnation into its history', async () => {
    await append(0, 5);
    const earlier = backEnds.historyOf(of.id, 'abcdefgh');
    const ending = projection({}, earlier).run(stopping.signal);
    await assert.rejects(ending, { code: 'workspace-not-found' });
    assert.deepEqual(await backEnds.store.scan(earlier, BEFORE_FIRST, END, Infinity), []);
  });
});
