import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BEFORE_FIRST, Recorded, type Position } from '../../src/event.js';
import { Ring } from '../../src/queries/ring.js';
import { positionsOf, range } from '../commands/sealed.js';

const KIB = 1024;
/** So many fill the first chunk, and twice as many the second. */
const RECORDS = 8;

const record = (position: number, size = 256): Recorded =>
  new Recorded(position as Position, Buffer.alloc(size, position));

const push = (ring: Ring, ...positions: number[]): void => {
  ring.push(positions.map((position) => record(position)));
};

const after = (ring: Ring, position: number): number[] | undefined => {
  const records = ring.after(position as Position);
  return records && positionsOf(records);
};

describe('The ring of the latest events', () => {
  it('holds nothing at first', () => {
    assert.equal(new Ring(() => 64 * KIB).after(BEFORE_FIRST), undefined);
  });

  it('gives what follows a position, however it came', () => {
    const ring = new Ring(() => 64 * KIB);
    push(ring, 5, 6, 9);
    push(ring, 10);
    push(ring, 12, 13);
    const given = [4, 5, 6, 7, 8, 9, 10, 11, 12].map((position) => after(ring, position)?.[0]);
    assert.deepEqual(given, [5, 6, 9, 9, 9, 10, 12, 12, 13]);
    assert.deepEqual(after(ring, 7), [9, 10, 12, 13]);
  });

  it('gives it chunk by chunk, each larger than the one before', () => {
    const ring = new Ring(() => 64 * KIB);
    push(ring, ...range(0, RECORDS));
    push(ring, ...range(RECORDS, 3 * RECORDS + 1));
    assert.deepEqual(after(ring, -1), range(0, RECORDS));
    assert.deepEqual(after(ring, RECORDS - 1), range(RECORDS, 3 * RECORDS));
    assert.deepEqual(after(ring, 3 * RECORDS - 1), [3 * RECORDS]);
    push(ring, 3 * RECORDS + 1);
    assert.deepEqual(after(ring, 3 * RECORDS - 1), [3 * RECORDS, 3 * RECORDS + 1]);
  });

  it('has nothing after its end, nor where something may stand before its begin', () => {
    const ring = new Ring(() => 64 * KIB);
    push(ring, 5, 6);
    for (const position of [-1, 3, 6, 7]) {
      assert.equal(after(ring, position), undefined);
    }
  });

  it('gives the events as they came', () => {
    const ring = new Ring(() => 64 * KIB);
    const records = [record(4, 1), record(5, 9_000), record(6, 0), record(7, 300)];
    ring.push(records);
    assert.deepEqual(walk(ring, 3), records);
  });

  it('keeps nothing of the buffers that they came in', () => {
    const ring = new Ring(() => 64 * KIB);
    const buffer = new Uint8Array(8 * KIB).fill(7);
    const bytes = buffer.subarray(100, 108);
    ring.push([new Recorded(4 as Position, bytes)]);
    buffer.fill(0);
    const [held] = ring.after(3 as Position)!;
    assert.deepEqual([...held!.bytes], [7, 7, 7, 7, 7, 7, 7, 7]);
    assert.ok(held!.bytes.buffer.byteLength <= 2 * KIB);
  });

  it('parses an event once for all who read it at about the same time', () => {
    const ring = new Ring(() => 64 * KIB);
    const bytes = Buffer.from('{"id":"a"}');
    ring.push([new Recorded(4 as Position, bytes)]);
    const read = (): Recorded => ring.after(3 as Position)![0]!;
    const { event } = read();
    push(ring, 5);
    assert.equal(read().event, event);
  });

  it('holds nothing of an event that is larger than all it may hold, nor before it', () => {
    const ring = new Ring(() => 8 * KIB);
    push(ring, 0);
    ring.push([record(1, 9 * KIB)]);
    assert.equal(after(ring, 0), undefined);
    push(ring, 2);
    assert.deepEqual(after(ring, 1), [2]);
  });

  it('holds nothing at all where it may not', () => {
    const ring = new Ring(() => 0);
    push(ring, 0);
    assert.equal(after(ring, -1), undefined);
  });

  it('gives back what it may no longer hold, since others came', () => {
    let bytesMax = 64 * KIB;
    const ring = new Ring(() => bytesMax);
    push(ring, ...range(0, 3 * RECORDS));
    bytesMax = 4 * KIB;
    push(ring, 3 * RECORDS);
    assert.equal(after(ring, RECORDS), undefined);
    assert.deepEqual(after(ring, 3 * RECORDS - 1), [3 * RECORDS]);
  });

  it('leads from wherever it is entered to the head, without a gap, and keeps its bound', () => {
    const recordBytesMax = 700;
    const batches = fc.array(
      fc.array(
        fc.record({
          step: fc.integer({ min: 1, max: 3 }),
          size: fc.integer({ min: 200, max: recordBytesMax }),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(batches, fc.integer({ min: 0, max: 100 * KIB }), (drawn, bytesMax) => {
        const ring = new Ring(() => bytesMax);
        const all: Recorded[] = [];
        let position = 0;
        for (const each of drawn) {
          const records = each.map(({ step, size }) => record((position += step), size));
          ring.push(records);
          all.push(...records);
          const isHeld = ({ position: at }: Recorded): boolean => after(ring, at - 1)?.[0] === at;
          const from = all.findIndex(isHeld);
          const held = from === -1 ? [] : all.slice(from);
          assert.ok(held.every(isHeld), 'no suffix is held');
          const size = held.reduce((sum, { bytes }) => sum + bytes.length, 0);
          assert.ok(size <= bytesMax, 'too much is held');
          // A chunk may just have gone, and each has room that the next record did not fit in.
          const isEnough = size >= bytesMax / 2 || bytesMax < 16 * recordBytesMax;
          assert.ok(held.length === all.length || isEnough, 'too little is held');
          if (held.length > 0) {
            assert.deepEqual(walk(ring, held[0]!.position - 1), held);
          }
        }
      }),
      { seed: 6, numRuns: 300 },
    );
  });
});

/** All that a reader gets who stands at a position that is held. */
function walk(ring: Ring, from: number): Recorded[] {
  const read: Recorded[] = [];
  let position = from as Position;
  for (let next = ring.after(position); next; next = ring.after(position)) {
    assert.ok(next.length > 0);
    read.push(...next);
    position = next.at(-1)!.position;
  }
  return read;
}
