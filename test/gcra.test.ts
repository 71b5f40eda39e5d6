import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Gcra } from '../src/gcra.js';

describe('Rates of keys', () => {
  it('let through a second’s worth at once, for each key, and tell when there is room', () => {
    const gcra = new Gcra(() => 5);
    for (let n = 0; n < 4; n++) {
      assert.equal(gcra.waitMs('a', 4), 0);
      gcra.take('a', 4, 1);
    }
    assert.equal(gcra.waitMs('a', 4), 250);
    assert.equal(gcra.waitMs('b', 4), 0);
  });

  it('are never exceeded, and never fall short where there is more to take', () => {
    const steps = fc.array(fc.record({ ms: fc.nat(400), wants: fc.nat(30) }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), steps, (perSecond, drawn) => {
        let now = 0;
        const gcra = new Gcra(() => now);
        // A bucket that is filled at the rate up to a second's worth, and taken from by ones.
        let room = perSecond;
        for (const { ms, wants } of drawn) {
          now += ms;
          room = Math.min(perSecond, room + (ms / 1000) * perSecond);
          for (let n = 0; n < wants; n++) {
            const isRoom = gcra.waitMs('a', perSecond) === 0;
            if (Math.abs(room - 1) > 1e-3) {
              assert.equal(isRoom, room > 1);
            }
            if (isRoom) {
              gcra.take('a', perSecond, 1);
              room -= 1;
            }
          }
        }
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  it('are exact over the time that it tells to wait', () => {
    let now = 0;
    const gcra = new Gcra(() => now);
    gcra.take('a', 7, 23);
    const wait = gcra.waitMs('a', 7);
    now = wait - 1;
    assert.ok(gcra.waitMs('a', 7) > 0);
    now = wait;
    assert.equal(gcra.waitMs('a', 7), 0);
  });

  it('of keys that take nothing any more take no memory', () => {
    let now = 0;
    const gcra = new Gcra(() => now);
    for (let n = 0; n < 10_000; n++) {
      now += 10;
      gcra.take(`key ${String(n)}`, 1, 1);
      assert.ok(gcra.size <= 1000);
    }
    gcra.take('a', 1, 1);
    assert.ok(gcra.size > 0);
  });
});
