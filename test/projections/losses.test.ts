import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Position } from '../../src/event.js';
import { LOSSES_MAX, withLosses, type Loss } from '../../src/projections/losses.js';
import { range } from '../commands/sealed.js';

const END = 60;

const loss = (after: number, before: number): Loss => ({
  after: after as Position,
  before: before as Position,
});

/** The positions that are told as lost. */
function lostIn(losses: readonly Loss[]): number[] {
  return range(0, END).filter((at) =>
    losses.some(({ after, before }) => after < at && at < before),
  );
}

describe('The losses of a history', () => {
  it('are what was lost, in order, and apart by what was not', () => {
    const drawn = fc
      .tuple(fc.integer({ min: -1, max: END - 2 }), fc.integer({ min: 2, max: 9 }))
      .map(([after, length]) => loss(after, Math.min(after + length, END)));
    fc.assert(
      fc.property(fc.array(drawn), fc.array(drawn), (one, other) => {
        const losses = withLosses(withLosses([], one), other);
        assert.deepEqual(lostIn(losses), lostIn([...one, ...other]));
        for (const [index, { after }] of losses.slice(1).entries()) {
          assert.ok(after >= losses[index]!.before);
        }
      }),
    );
  });

  it('are so many at most, of which the oldest tell of more than was lost', () => {
    const many = range(0, LOSSES_MAX).map((n) => loss(10 * n, 10 * n + 5));
    const full = withLosses([], many);
    assert.deepEqual(full, many);
    const [first, ...rest] = withLosses(full, [loss(10 * LOSSES_MAX, 10 * LOSSES_MAX + 5)]);
    assert.deepEqual(first, loss(0, 15));
    assert.deepEqual(rest, [...many.slice(2), loss(10 * LOSSES_MAX, 10 * LOSSES_MAX + 5)]);
  });
});
