import assert from 'node:assert/strict';
import { Slices } from '../src/slices.js';

describe('work in slices', () => {
  it('makes way for what has waited since the slice began', async () => {
    const slices = new Slices();
    let hasHadItsTurn = false;
    setImmediate(() => {
      hasHadItsTurn = true;
    });
    const began = performance.now();
    while (!slices.isOver) {
      assert.ok(performance.now() - began < 1000, 'the slice has no end');
    }
    assert.equal(hasHadItsTurn, false);
    await slices.next();
    assert.equal(hasHadItsTurn, true);
  });
});
