import { lowest } from '../bisect.js';
import { Recorded, type Position } from '../event.js';

/** A chunk is twice as large as the one before it, from so much on: most logs are quiet. */
const CHUNK_BYTES_MIN = 2 * 1024;
const CHUNK_BYTES_MAX = 64 * 1024;
/** No chunk is a larger part of the ring, as it goes as a whole. */
const CHUNKS_MIN = 8;
/** There is room for as many records in a chunk as if they were so large: nearly all are larger. */
const RECORD_BYTES = 256;

/**
 * The latest records of one log, as long as they fit into a number of bytes. They join without a
 * gap, so whoever stands inside finds all that follows.
 */
export class Ring {
  readonly #bytesMax: () => number;
  readonly #chunks: Chunk[] = [];
  #bytes = 0;

  /** @param bytesMax Asked at each push, since tails come and go and share what there is. */
  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  push(records: readonly Recorded[]): void {
    const bytesMax = this.#bytesMax();
    for (const record of records) {
      if (!this.#chunks.at(-1)?.add(record)) {
        const before = this.#chunks.at(-1)?.slabBytes ?? CHUNK_BYTES_MIN / 2;
        const usual = Math.min(2 * before, CHUNK_BYTES_MAX, bytesMax / CHUNKS_MIN);
        const chunk = new Chunk(Math.max(Math.floor(usual), record.bytes.length));
        chunk.add(record);
        this.#chunks.push(chunk);
        this.#bytes += chunk.bytes;
      }
    }
    while (this.#bytes > bytesMax) {
      this.#bytes -= this.#chunks.shift()?.bytes ?? 0;
    }
  }

  /** Some of the records after a position, from the first one on; `undefined` if it is not held. */
  after(position: Position): readonly Recorded[] | undefined {
    const oldest = this.#chunks[0];
    if (!oldest || position + 1 < oldest.first) {
      return undefined;
    }
    const index = lowest(this.#chunks.length, (at) => this.#chunks[at]!.last > position);
    return this.#chunks[index]?.after(position);
  }
}

/**
 * Consecutive records in memory of their own, which is all that is held of them, however small the
 * batches are in which they come. The buffers that they come in would stay as long as any of their
 * records, 8 KiB for an event of 300 bytes where Node has made them of a string; and an object for
 * each would have the garbage collector copy them, while nothing else goes on.
 */
class Chunk {
  readonly #slab: Uint8Array;
  /** Of each record, its position and where it ends in the slab. */
  readonly #positions: Float64Array;
  readonly #ends: Uint32Array;
  #count = 0;
  /** What those share who read it at about the same time, with what they parse of it. */
  #unpacked: WeakRef<Recorded[]> | undefined;

  constructor(slabBytes: number) {
    const recordsMax = Math.ceil(slabBytes / RECORD_BYTES);
    this.#slab = Buffer.allocUnsafeSlow(slabBytes);
    this.#positions = new Float64Array(recordsMax);
    this.#ends = new Uint32Array(recordsMax);
  }

  get slabBytes(): number {
    return this.#slab.byteLength;
  }

  /** All that it takes, whether it is full or not. */
  get bytes(): number {
    return this.#slab.byteLength + this.#positions.byteLength + this.#ends.byteLength;
  }

  get first(): number {
    return this.#positions[0]!;
  }

  get last(): number {
    return this.#positions[this.#count - 1]!;
  }

  /** @returns Whether there is room for it. */
  add({ position, bytes }: Recorded): boolean {
    const begin = this.#begin(this.#count);
    const end = begin + bytes.length;
    if (end > this.#slab.length || this.#count === this.#ends.length) {
      return false;
    }
    this.#slab.set(bytes, begin);
    this.#positions[this.#count] = position;
    this.#ends[this.#count] = end;
    this.#count++;
    return true;
  }

  after(position: Position): readonly Recorded[] {
    return this.#records().slice(lowest(this.#count, (at) => this.#positions[at]! > position));
  }

  #records(): readonly Recorded[] {
    let records = this.#unpacked?.deref();
    if (!records) {
      records = [];
      this.#unpacked = new WeakRef(records);
    }
    for (let index = records.length; index < this.#count; index++) {
      const bytes = this.#slab.subarray(this.#begin(index), this.#ends[index]);
      records.push(new Recorded(this.#positions[index] as Position, bytes));
    }
    return records;
  }

  #begin(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]!;
  }
}
