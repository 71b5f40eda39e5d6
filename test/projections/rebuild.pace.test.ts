import assert from 'node:assert/strict';
import { Budget } from '../../src/projections/budget.js';
import { RebuildPace } from '../../src/projections/rebuild.pace.js';
import { Gate } from '../support/backends.js';
import { until } from '../until.js';

const BUDGET = 10;

/** Takes so long that its time can be told from that of all else. */
function work(ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  return until('it is done', () => performance.now() >= end);
}

describe('The pace of rebuilds', () => {
  let pace: RebuildPace;
  let budget: Budget;

  beforeEach(() => {
    budget = new Budget(BUDGET);
    pace = new RebuildPace(budget);
  });

  it('is one write at a time, of whichever history, in the order in which they came', async () => {
    const gates = [0, 1, 2].map(() => new Gate());
    const begun: number[] = [];
    const all = gates.map((gate, index) =>
      pace.spend(
        1,
        () => {
          begun.push(index);
          return gate.pass();
        },
        0,
      ),
    );
    for (const [index, gate] of gates.entries()) {
      await gate.reached;
      assert.equal(begun.length, index + 1);
      gate.open();
      await all[index];
    }
    assert.deepEqual(begun, [0, 1, 2]);
  });

  it('rests after a write as long as that took, or as a part of it', async () => {
    for (const [rest, least, most] of [
      [1, 190, 390],
      [0.5, 140, 190],
      [0, 95, 140],
    ] as const) {
      const began = performance.now();
      assert.ok(await pace.spend(1, () => work(100), rest));
      const took = performance.now() - began;
      assert.ok(took >= least, `${took} ms are no rest of ${rest}`);
      assert.ok(took < 5 * most, `${took} ms are too long for a rest of ${rest}`);
    }
  });

  it('is within what all projections may write at the same time', async () => {
    const gate = new Gate();
    const live = budget.spend(BUDGET, () => gate.pass());
    let done = false;
    const rebuilding = pace.spend(
      1,
      async () => {
        done = true;
      },
      0,
    );
    await gate.reached;
    assert.ok(!done);
    gate.open();
    await live;
    await rebuilding;
    assert.ok(done);
  });

  it('goes on after a write that failed', async () => {
    const failing = pace.spend(1, () => Promise.reject(new Error('no')), 1);
    const next = pace.spend(1, () => Promise.resolve('done'), 1);
    await assert.rejects(failing, /no/);
    assert.equal(await next, 'done');
  });
});
