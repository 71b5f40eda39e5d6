import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BEFORE_FIRST, Recorded, type Position } from '../../src/event.js';
import { Ring } from '../../src/queries/ring.js';
import { positionsOf } from '../commands/sealed.js';

/** What is held with the bytes of a record: where it ends, and its position. */
const OVERHEAD = 4 + 8;

/** A record that takes so many bytes of a ring. */
const record = (position: number, bytes: number): Recorded =>
  new Recorded(position as Position, new Uint8Array(bytes - OVERHEAD).fill(position));

const batch = (...positions: number[]): { records: Recorded[]; first: Position } => ({
  records: positions.map((position) => record(position, 20)),
  first: 0 as Position,
});

const after = (ring: Ring, position: number): number[] | undefined => {
  const records = ring.after(position as Position);
  return records && positionsOf(records);
};

describe('The ring of the latest batches', () => {
  it('holds nothing at first', () => {
    assert.equal(new Ring(() => 200).after(BEFORE_FIRST), undefined);
  });

  it('gives the rest of the batch that a position stands in', () => {
    const ring = new Ring(() => 200);
    ring.push(batch(5, 6, 9));
    ring.push(batch(10));
    ring.push(batch(12, 13));
    const given = [4, 5, 6, 7, 8, 9, 10, 11, 12].map((position) => after(ring, position));
    assert.deepEqual(given, [[5, 6, 9], [6, 9], [9], [9], [9], [10], [12, 13], [12, 13], [13]]);
  });

  it('has nothing after its end, nor where something may stand before its begin', () => {
    const ring = new Ring(() => 200);
    ring.push(batch(5, 6));
    for (const position of [-1, 3, 6, 7]) {
      assert.equal(after(ring, position), undefined);
    }
  });

  it('lets go of whole batches, the oldest first, when they are too many bytes', () => {
    const ring = new Ring(() => 100);
    ring.push(batch(0, 1));
    ring.push(batch(2, 3));
    ring.push(batch(4));
    assert.deepEqual(after(ring, -1), [0, 1]);
    ring.push(batch(5));
    assert.equal(after(ring, 0), undefined);
    assert.deepEqual(after(ring, 1), [2, 3]);
  });

  it('holds nothing of a batch that is larger than all it may hold', () => {
    const ring = new Ring(() => 100);
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
    let bytesMax = 200;
    const ring = new Ring(() => bytesMax);
    ring.push(batch(0, 1, 2, 3));
    ring.push(batch(4, 5, 6, 7));
    bytesMax = 20;
    ring.push(batch(8));
    assert.equal(after(ring, 6), undefined);
    assert.deepEqual(after(ring, 7), [8]);
  });

  it('holds the bytes of the events in memory of their own, and no more of it', () => {
    const ring = new Ring(() => 200);
    const large = new Uint8Array(8192).fill(7, 100, 108);
    ring.push({
      records: [new Recorded(4 as Position, large.subarray(100, 108))],
      first: 0 as Position,
    });
    const [held] = ring.after(3 as Position)!;
    assert.deepEqual([...held!.bytes], [7, 7, 7, 7, 7, 7, 7, 7]);
    assert.equal(held!.bytes.buffer.byteLength, 8);
  });

  it('parses an event once for all who read it at about the same time', () => {
    const ring = new Ring(() => 200);
    const bytes = Buffer.from('{"id":"a"}');
    ring.push({ records: [new Recorded(4 as Position, bytes)], first: 0 as Position });
    const read = (): Recorded => ring.after(3 as Position)![0]!;
    assert.equal(read().event, read().event);
  });

  it('leads from wherever it is entered to the head, without a gap, and keeps its bound', () => {
    const recordBytesMax = OVERHEAD + 40;
    const batchRecordsMax = 6;
    const drawnRecord = fc.record({
      step: fc.integer({ min: 1, max: 3 }),
      bytes: fc.integer({ min: OVERHEAD, max: recordBytesMax }),
    });
    const batches = fc.array(fc.array(drawnRecord, { minLength: 1, maxLength: batchRecordsMax }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(batches, fc.nat(600), (drawn, bytesMax) => {
        const ring = new Ring(() => bytesMax);
        const all: Recorded[] = [];
        let position = 0;
        for (const each of drawn) {
          const records = each.map(({ step, bytes }) => record((position += step), bytes));
          ring.push({ records, first: 0 as Position });
          all.push(...records);
          const held = all.filter(
            ({ position: at }) => ring.after((at - 1) as Position)?.[0]?.position === at,
          );
          assert.deepEqual(held, all.slice(all.length - held.length), 'no suffix is held');
          const size = held.reduce((sum, one) => sum + one.bytes.length + OVERHEAD, 0);
          assert.ok(size <= bytesMax);
          const nextMax = batchRecordsMax * recordBytesMax;
          assert.ok(held.length === all.length || size + nextMax > bytesMax, 'too few are held');
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
