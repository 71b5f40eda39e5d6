import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Incarnation, type Position } from '../../src/event.js';
import type { EventStore } from '../../src/projections/store.js';
import { parseFilter } from '../../src/queries/filter.js';
import { positionsOf, range } from '../commands/sealed.js';
import { END, newest } from '../projections/newest.js';
import { incarnation, recordedRange, written } from '../projections/recorded.js';

/** More than go at once. */
const MANY = 1_300;

/** What every back end of the store promises of a trim. */
export function trimContract(storeOf: () => EventStore): void {
  describe('trim', () => {
    let workspace: Incarnation;

    beforeEach(() => {
      workspace = incarnation();
    });

    const write = (from: number, to: number, of = workspace) =>
      written(storeOf(), of, recordedRange(from, to));
    const left = async (of = workspace): Promise<number[]> => {
      const scanned = positionsOf(await storeOf().scan(of, BEFORE_FIRST, END, Infinity));
      const { records } = await newest(storeOf(), of, { limit: 2 * MANY });
      assert.deepEqual(positionsOf(records), scanned.toReversed());
      return scanned;
    };
    const trim = async (upTo: number, of = workspace): Promise<number[]> => {
      const steps: number[] = [];
      for await (const removed of storeOf().trim(of, upTo as Position)) {
        steps.push(removed);
      }
      return steps;
    };
    const sum = (numbers: readonly number[]): number =>
      numbers.reduce((before, number) => before + number, 0);

    it('removes what is up to a position, and with it, of one workspace alone', async () => {
      const other = incarnation();
      await write(0, 20);
      await write(0, 20, other);
      await storeOf().advance(workspace, 19 as Position);
      assert.equal(await storeOf().trimmed(workspace), BEFORE_FIRST);
      assert.equal(sum(await trim(7)), 8);
      assert.deepEqual(await left(), range(8, 20));
      assert.equal(await storeOf().trimmed(workspace), 7);
      assert.equal(await storeOf().checkpoint(workspace), 19);
      assert.deepEqual(await left(other), range(0, 20));
      assert.equal(await storeOf().trimmed(other), BEFORE_FIRST);
    });

    it('goes step by step, and tells from the first one on up to where', async function () {
      this.timeout(30_000);
      await write(0, MANY);
      let removed = 0;
      for await (const step of storeOf().trim(workspace, (MANY - 11) as Position)) {
        assert.equal(await storeOf().trimmed(workspace), MANY - 11);
        assert.ok(step > 0 && step < MANY / 2);
        removed += step;
      }
      assert.equal(removed, MANY - 10);
      assert.deepEqual(await left(), range(MANY - 10, MANY));
    });

    it('goes on when it is asked for again, after it was cut short', async function () {
      this.timeout(30_000);
      await write(0, MANY);
      let first = 0;
      for await (const step of storeOf().trim(workspace, (MANY - 1) as Position)) {
        first += step;
        break;
      }
      assert.ok(first < MANY);
      assert.equal(await storeOf().trimmed(workspace), MANY - 1);
      assert.equal(first + sum(await trim(MANY - 1)), MANY);
      assert.deepEqual(await left(), []);
    });

    it('never tells of less than was trimmed', async () => {
      await write(0, 10);
      await trim(6);
      assert.equal(sum(await trim(3)), 0);
      assert.equal(await storeOf().trimmed(workspace), 6);
      assert.deepEqual(await left(), [7, 8, 9]);
      assert.equal(sum(await trim(8)), 2);
      assert.equal(await storeOf().trimmed(workspace), 8);
    });

    it('removes nothing where there is nothing, and keeps what comes later', async () => {
      assert.deepEqual(await trim(4), []);
      assert.equal(await storeOf().trimmed(workspace), 4);
      await write(5, 9);
      assert.deepEqual(await left(), [5, 6, 7, 8]);
    });

    it('counts no longer what it has removed', async () => {
      await write(0, 10);
      await trim(5);
      const { groups } = await storeOf().aggregate({
        of: [workspace],
        filter: parseFilter({}),
        last: END,
        groupBy: [],
        metrics: [{ of: 'count' }],
      });
      assert.deepEqual(groups, [{ keys: [], values: [4] }]);
    });

    it('is forgotten when the workspace is dropped', async () => {
      await write(0, 10);
      await trim(5);
      await storeOf().drop(workspace);
      assert.equal(await storeOf().trimmed(workspace), BEFORE_FIRST);
    });
  });
}
