import assert from 'node:assert/strict';
import { pack, unpack } from '../src/slab.js';

describe('a slab', () => {
  it('gives back the records that went in, empty ones too', () => {
    const records = [[1, 2, 3], [], [4], []].map((bytes) => ({ bytes: Uint8Array.from(bytes) }));
    const { ends, slab } = pack(records);
    assert.deepEqual([...ends], [3, 3, 4, 4]);
    assert.deepEqual(
      unpack(ends, slab),
      records.map(({ bytes }) => bytes),
    );
    assert.deepEqual(unpack(new Uint32Array(), new Uint8Array()), []);
  });

  it('has a buffer of its own, and its records are views on that', () => {
    // A small Buffer is a part of a pool that others use.
    const { ends, slab } = pack([{ bytes: Buffer.from('ab') }, { bytes: Buffer.from('c') }]);
    assert.equal(slab.buffer.byteLength, 3);
    assert.ok(unpack(ends, slab).every(({ buffer }) => buffer === slab.buffer));
  });
});
