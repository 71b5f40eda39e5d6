import type { Batch } from '../commands/log.js';
import { Recorded, type Position } from '../event.js';
import { pack, unpack, type Slab } from '../slab.js';

/** The records of a batch, in memory of their own: all of it, and nothing but it, is counted. */
interface Held extends Slab {
  readonly positions: Float64Array;
  readonly bytes: number;
  /** What those who read it at about the same time share, with what they parse of it. */
  unpacked: WeakRef<readonly Recorded[]> | undefined;
}

/**
 * The latest batches of one log, as long as they fit into a number of bytes. They join without a
 * gap, so whoever stands inside finds all that follows.
 */
export class Ring {
  readonly #bytesMax: () => number;
  readonly #batches: Held[] = [];
  #bytes = 0;

  /** @param bytesMax Asked at each push, since tails come and go and share what there is. */
  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Copies the batch. Its records are parts of larger buffers, which would stay as long as any of
   * them: of those that Node makes strings into, 8 KiB for an event of 300 bytes. Parsed, they take
   * several times the memory that is counted here.
   */
  push({ records }: Batch): void {
    const { ends, slab } = pack(records);
    const positions = Float64Array.from(records, ({ position }) => position);
    const bytes = slab.byteLength + ends.byteLength + positions.byteLength;
    this.#batches.push({ ends, slab, positions, bytes, unpacked: undefined });
    this.#bytes += bytes;
    const bytesMax = this.#bytesMax();
    while (this.#bytes > bytesMax) {
      this.#bytes -= this.#batches.shift()?.bytes ?? 0;
    }
  }

  /**
   * The rest of the batch in which the first record after a position stands; `undefined` if not
   * held.
   */
  after(position: Position): readonly Recorded[] | undefined {
    const oldest = this.#batches[0]?.positions[0];
    if (oldest === undefined || position + 1 < oldest) {
      return undefined;
    }
    const batch = this.#batches[this.#search(position)];
    return batch && recordsOf(batch).slice(batch.positions.findIndex((each) => each > position));
  }

  /** The index of the first batch that ends after a position. */
  #search(position: Position): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#batches[middle]?.positions.at(-1);
      if (last !== undefined && last > position) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}

function recordsOf(batch: Held): readonly Recorded[] {
  let records = batch.unpacked?.deref();
  if (!records) {
    records = unpack(batch.ends, batch.slab).map(
      (bytes, index) => new Recorded(batch.positions[index] as Position, bytes),
    );
    batch.unpacked = new WeakRef(records);
  }
  return records;
}
