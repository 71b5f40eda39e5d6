import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BEFORE_FIRST, Recorded, type Position } from '../../src/event.js';
import { Ring } from '../../src/queries/ring.js';
import { positionsOf } from '../commands/sealed.js';

/** A record of so many bytes. */
const record = (position: number, bytes: number): Recorded =>
  new Recorded(position as Position, new Uint8Array(bytes));

const batch = (...positions: number[]): { records: Recorded[]; first: Position } => ({
  records: positions.map((position) => record(position, 10)),
  first: 0 as Position,
});

const after = (ring: Ring, position: number): number[] | undefined => {
  const records = ring.after(position as Position);
  return records && positionsOf(records);
};

describe('The ring of the latest batches', () => {
  it('holds nothing at first', () => {
    assert.equal(new Ring(() => 100).after(BEFORE_FIRST), undefined);
  });

  it('gives the rest of the batch that a position stands in', () => {
    const ring = new Ring(() => 100);
    ring.push(batch(5, 6, 9));
    ring.push(batch(10));
    ring.push(batch(12, 13));
    const given = [4, 5, 6, 7, 8, 9, 10, 11, 12].map((position) => after(ring, position));
    assert.deepEqual(given, [[5, 6, 9], [6, 9], [9], [9], [9], [10], [12, 13], [12, 13], [13]]);
  });

  it('has nothing after its end, nor where something may stand before its begin', () => {
    const ring = new Ring(() => 100);
    ring.push(batch(5, 6));
    for (const position of [-1, 3, 6, 7]) {
      assert.equal(after(ring, position), undefined);
    }
  });

  it('lets go of whole batches, the oldest first, when they are too many bytes', () => {
    const ring = new Ring(() => 50);
    ring.push(batch(0, 1));
    ring.push(batch(2, 3));
    ring.push(batch(4));
    assert.deepEqual(after(ring, -1), [0, 1]);
    ring.push(batch(5));
    assert.equal(after(ring, 0), undefined);
    assert.deepEqual(after(ring, 1), [2, 3]);
  });

  it('holds nothing of a batch that is larger than all it may hold', () => {
    const ring = new Ring(() => 50);
    ring.push(batch(0));
    ring.push(batch(1, 2, 3, 4, 5, 6));
    assert.equal(after(ring, 0), undefined);
    ring.push(batch(7));
    assert.deepEqual(after(ring, 6), [7]);
  });

  it('holds nothing at all where it may not', () => {
    const ring = new Ring(() => 0);
    ring.push(batch(0));
    assert.equal(after(ring, -1), undefined);
  });

  it('gives back what it may no longer hold, since others came', () => {
    let bytesMax = 100;
    const ring = new Ring(() => bytesMax);
    ring.push(batch(0, 1, 2, 3));
    ring.push(batch(4, 5, 6, 7));
    bytesMax = 10;
    ring.push(batch(8));
    assert.equal(after(ring, 6), undefined);
    assert.deepEqual(after(ring, 7), [8]);
  });

  it('leads from wherever it is entered to the head, without a gap, and keeps its bound', () => {
    const batches = fc.array(
      fc.array(fc.record({ step: fc.integer({ min: 1, max: 3 }), bytes: fc.nat(40) }), {
        minLength: 1,
        maxLength: 6,
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(batches, fc.nat(400), (drawn, bytesMax) => {
        const ring = new Ring(() => bytesMax);
        const all: Recorded[] = [];
        let position = 0;
        for (const each of drawn) {
          const records = each.map(({ step, bytes }) => record((position += step), bytes));
          ring.push({ records, first: 0 as Position });
          all.push(...records);
          const held = all.filter((one) => ring.after((one.position - 1) as Position)?.[0] === one);
          assert.deepEqual(held, all.slice(all.length - held.length), 'no suffix is held');
          assert.ok(held.reduce((sum, one) => sum + one.bytes.length, 0) <= bytesMax);
          assert.deepEqual(walk(ring, held), held);
        }
      }),
      { seed: 6, numRuns: 300 },
    );
  });
});

/** All that a reader gets who stands before the first that is held. */
function walk(ring: Ring, held: readonly Recorded[]): Recorded[] {
  const read: Recorded[] = [];
  const [first] = held;
  if (!first) {
    return read;
  }
  let position = (first.position - 1) as Position;
  for (let next = ring.after(position); next; next = ring.after(position)) {
    assert.ok(next.length > 0);
    read.push(...next);
    position = next.at(-1)!.position;
  }
  return read;
}
