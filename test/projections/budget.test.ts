import assert from 'node:assert/strict';
import { Budget } from '../../src/projections/budget.js';
import { Gate } from '../support/backends.js';

describe('A budget', () => {
  it('lets so much be under way, and the rest wait in the order in which it came', async () => {
    const budget = new Budget(10);
    const begun: number[] = [];
    const gates = [6, 4, 7, 3].map(() => new Gate());
    const all = [6, 4, 7, 3].map((bytes, index) =>
      budget.spend(bytes, async () => {
        begun.push(index);
        await gates[index]!.pass();
      }),
    );
    await gates[1]!.reached;
    assert.deepEqual(begun, [0, 1]);
    gates[0]!.open();
    await all[0];
    // The third needs more than the first has given back, and the fourth waits behind it.
    assert.deepEqual(begun, [0, 1]);
    gates[1]!.open();
    await gates[3]!.reached;
    assert.deepEqual(begun, [0, 1, 2, 3]);
    gates[2]!.open();
    gates[3]!.open();
    await Promise.all(all);
  });

  it('takes what is larger than itself when nothing else is under way', async () => {
    const budget = new Budget(10);
    const gate = new Gate();
    const small = budget.spend(1, () => gate.pass());
    let done = false;
    const large = budget.spend(1_000, () => {
      done = true;
      return Promise.resolve();
    });
    await gate.reached;
    assert.ok(!done);
    gate.open();
    await Promise.all([small, large]);
    assert.ok(done);
  });

  it('has back what was spent on work that failed', async () => {
    const budget = new Budget(10);
    for (let turn = 0; turn < 3; turn++) {
      const failed = budget.spend(10, () => Promise.reject(new Error('no')));
      await assert.rejects(failed, /no/);
    }
    assert.equal(await budget.spend(10, () => Promise.resolve('yes')), 'yes');
  });
});
