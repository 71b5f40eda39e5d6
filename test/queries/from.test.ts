import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { EventLog } from '../../src/commands/log.js';
import { BEFORE_FIRST, type Json, type Position } from '../../src/event.js';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { formatCursor } from '../../src/queries/cursor.js';
import { resolveFrom, type From, type Start } from '../../src/queries/from.js';
import { dropLog, numbered, range, sealed, trimLog } from '../commands/sealed.js';
import { withBackEnds, withMethods, type BackEnds } from '../support/backends.js';
import { historize } from './history.js';

describe('Where a subscription begins', () => {
  let backEnds: BackEnds;
  let workspace: string;
  let epoch: string;

  withBackEnds((opened) => {
    backEnds = opened;
  });

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    ({ epoch } = await backEnds.log.create(workspace, {}));
  });

  const from = (asked: From, filter: Json = {}): Promise<Start> =>
    resolveFrom(asked, parseFilter(filter), workspace, backEnds);
  const cursor = (position: number, of = epoch): From => ({
    position: formatCursor(of, position as Position),
  });
  const append = (from_: number, to: number): Promise<Position> =>
    backEnds.log.append(workspace, numbered(from_, to));
  const trim = (before: number): Promise<void> => trimLog(backEnds.log, workspace, before);

  it('is not beyond the end of a log that has lost what the history has', async () => {
    await append(0, 10);
    await historize(backEnds, workspace, 9);
    const log = withMethods<EventLog>(backEnds.log, {
      bounds: async (id) => ({ ...(await backEnds.log.bounds(id)), next: 6 as Position }),
    });
    const start = await resolveFrom({ last: 3 }, EVERYTHING, workspace, { ...backEnds, log });
    assert.deepEqual(start, { position: 2 });
  });

  it('is the head for who wants what comes now, and before all for who wants all', async () => {
    assert.deepEqual(await from('now'), { position: BEFORE_FIRST });
    assert.deepEqual(await from('start'), { position: BEFORE_FIRST });
    await append(0, 5);
    assert.deepEqual(await from('now'), { position: 4 });
    assert.deepEqual(await from('start'), { position: BEFORE_FIRST });
  });

  it('is before the first event that was accepted at a time or later', async () => {
    const times = range(0, 5).map((n) => Date.parse('2001-01-15T00:00:00Z') + 1000 * n);
    await backEnds.log.append(
      workspace,
      times.map((time, n) => sealed(n, time)),
    );
    const found = async (time: string): Promise<number> => (await from({ time })).position;
    assert.equal(await found('2001-01-14T23:59:59Z'), BEFORE_FIRST);
    assert.equal(await found('2001-01-15T00:00:02Z'), 1);
    assert.equal(await found('2001-01-15T01:00:02.001+01:00'), 2);
    assert.equal(await found('2001-01-16T00:00:00Z'), 4);
  });

  it('is in the history, where the log has forgotten what was accepted at that time', async () => {
    // As of two nodes whose clocks differ.
    const seconds = [0, 1, 2, 4, 3, 5, 6, 7];
    const times = seconds.map((second) => Date.parse('2001-01-15T00:00:00Z') + 1000 * second);
    await backEnds.log.append(
      workspace,
      times.map((time, n) => sealed(n, time)),
    );
    await historize(backEnds, workspace, 7);
    for (const before of [5, 7, 8]) {
      await trim(before);
      const starts = range(0, 9).map((second) => from({ time: `2001-01-15T00:00:0${second}Z` }));
      assert.deepEqual(
        (await Promise.all(starts)).map(({ position }) => position),
        [-1, 0, 1, 2, 2, 4, 5, 6, 7],
        `without what came before ${before}`,
      );
    }
  });

  describe('with a cursor', () => {
    it('is where the cursor stands, be that anywhere in the log', async () => {
      assert.deepEqual(await from(cursor(BEFORE_FIRST)), { position: BEFORE_FIRST });
      await append(0, 3);
      for (const position of range(-1, 3)) {
        assert.deepEqual(await from(cursor(position)), { position });
      }
    });

    it('is refused where that is none, with where it stood', async () => {
      await assert.rejects(from({ position: 'x' }), (error: { code: string; errors: unknown }) => {
        assert.equal(error.code, 'invalid-cursor');
        assert.deepEqual((error.errors as { path: string }[])[0]?.path, 'from.position');
        return true;
      });
    });

    it('of another workspace, or of this one before it was made again, is the begin', async () => {
      await append(0, 3);
      const lost = { position: BEFORE_FIRST, lost: 'other-epoch' };
      assert.deepEqual(await from(cursor(1, 'abcdefgh')), lost);
      await dropLog(backEnds.log, workspace);
      await backEnds.log.create(workspace, {});
      await append(0, 3);
      assert.deepEqual(await from(cursor(1)), lost);
      assert.deepEqual(await from(cursor(BEFORE_FIRST)), lost);
    });

    it('ahead of the log is the head', async () => {
      await append(0, 3);
      assert.deepEqual(await from(cursor(2)), { position: 2 });
      assert.deepEqual(await from(cursor(3)), { position: 2, lost: 'ahead' });
    });

    it('whose events nothing holds any more is before the first that is held', async () => {
      await append(0, 10);
      await trim(5);
      assert.deepEqual(await from(cursor(3)), { position: 4, lost: 'expired' });
      assert.deepEqual(await from(cursor(4)), { position: 4 });
      await trim(10);
      assert.deepEqual(await from(cursor(8)), { position: 9, lost: 'expired' });
      assert.deepEqual(await from(cursor(9)), { position: 9 });
    });

    it('whose events the history still has has lost nothing', async () => {
      await append(0, 10);
      await historize(backEnds, workspace, 9);
      await trim(10);
      for (const position of range(-1, 10)) {
        assert.deepEqual(await from(cursor(position)), { position });
      }
    });

    it('in what retention has passed is before what is kept, also while that goes on', async () => {
      await append(0, 10);
      await historize(backEnds, workspace, 9);
      await trim(8);
      const of = backEnds.historyOf(workspace, epoch);
      for await (const removed of backEnds.store.trim(of, 4 as Position)) {
        assert.equal(removed, 5);
      }
      assert.deepEqual(await from(cursor(3)), { position: 4, lost: 'expired' });
      assert.deepEqual(await from(cursor(4)), { position: 4 });
      // Of what is told to go, some may still be there.
      const trimming = withMethods(backEnds.store, {
        trimmed: () => Promise.resolve(6 as Position),
      });
      const ends = { ...backEnds, store: trimming };
      assert.deepEqual(await resolveFrom(cursor(5), EVERYTHING, workspace, ends), {
        position: 6,
        lost: 'expired',
      });
      for await (const removed of backEnds.store.trim(of, 9 as Position)) {
        assert.equal(removed, 5);
      }
      assert.deepEqual(await from(cursor(5)), { position: 7, lost: 'expired' });
      assert.deepEqual(await from(cursor(7)), { position: 7 });
    });

    it('older than all history is before the begin of that', async () => {
      await append(0, 10);
      await trim(3);
      await historize(backEnds, workspace, 9);
      await trim(8);
      assert.deepEqual(await from(cursor(1)), { position: 2, lost: 'expired' });
      assert.deepEqual(await from(cursor(2)), { position: 2 });
    });
  });

  describe('with the last so many', () => {
    it('is before the first of them, or of those that there are', async () => {
      assert.deepEqual(await from({ last: 3 }), { position: BEFORE_FIRST });
      await append(0, 10);
      assert.deepEqual(await from({ last: 3 }), { position: 6 });
      assert.deepEqual(await from({ last: 10 }), { position: BEFORE_FIRST });
      assert.deepEqual(await from({ last: 99 }), { position: BEFORE_FIRST });
    });

    it('is the head where none matches', async () => {
      await append(0, 10);
      assert.deepEqual(await from({ last: 3 }, { type: 'never' }), { position: 9 });
    });

    it('counts what matches, whether the history has it yet or the log alone', async () => {
      await append(0, 40);
      let historized = -1;
      await fc.assert(
        fc.asyncProperty(
          fc.nat(3),
          fc.integer({ min: 1, max: 25 }),
          fc.uniqueArray(fc.nat(39), { minLength: 1, maxLength: 20 }),
          async (more, last, numbers) => {
            historized = Math.min(historized + more, 39);
            await historize(backEnds, workspace, historized);
            const matching = numbers.toSorted((a, b) => a - b);
            const first = matching.at(-last) ?? matching[0]!;
            const filter = { 'payload.number': matching.map(String) };
            assert.deepEqual(await from({ last }, filter), { position: first - 1 });
          },
        ),
        { seed: 8, numRuns: 60 },
      );
      assert.equal(historized, 39);
    });

    it('counts what matches on as many pages as the history takes for it', async () => {
      await append(0, 12);
      await historize(backEnds, workspace, 9);
      const { store } = backEnds;
      // As with events so large that four of them are a page.
      const paged = withMethods(store, {
        search: (query) => store.search({ ...query, limit: Math.min(query.limit, 4) }),
      });
      for (const last of range(1, 14)) {
        const start = await resolveFrom({ last }, EVERYTHING, workspace, {
          ...backEnds,
          store: paged,
        });
        assert.equal(start.position, Math.max(11 - last, BEFORE_FIRST), `the last ${last}`);
      }
    });

    it('counts no event of a workspace of the same name that was deleted', async () => {
      await append(0, 10);
      await historize(backEnds, workspace, 9);
      await dropLog(backEnds.log, workspace);
      await backEnds.log.create(workspace, {});
      assert.deepEqual(await from({ last: 3 }), { position: BEFORE_FIRST });
      await append(0, 5);
      assert.deepEqual(await from({ last: 3 }), { position: 1 });
    });

    it('counts what there is where log and history have both lost some', async () => {
      await append(0, 10);
      await historize(backEnds, workspace, 3);
      await trim(7);
      const { position } = await resolveFrom({ last: 5 }, EVERYTHING, workspace, backEnds);
      assert.equal(position, 1);
      await trim(10);
      assert.deepEqual(await from({ last: 2 }), { position: 1 });
    });
  });

  it('is nowhere in a workspace that there is not', async () => {
    await dropLog(backEnds.log, workspace);
    for (const asked of ['now', 'start', { last: 1 }, cursor(0)] as const) {
      await assert.rejects(from(asked), { code: 'workspace-not-found' });
    }
  });
});
