import type { Batch } from '../commands/log.js';
import { Recorded, type Position } from '../event.js';

/**
 * The latest batches of one log, as long as they fit into a number of bytes. They join without a
 * gap, so whoever stands inside finds all that follows.
 */
export class Ring {
  readonly #bytesMax: () => number;
  readonly #batches: { records: readonly Recorded[]; bytes: number }[] = [];
  #bytes = 0;

  /** @param bytesMax Asked at each push, since tails come and go and share what there is. */
  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  push({ records }: Batch): void {
    const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
    // Without what they were parsed to, which takes several times the memory that is counted here.
    const held = records.map((record) => new Recorded(record.position, record.bytes));
    this.#batches.push({ records: held, bytes });
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
    const oldest = this.#batches[0]?.records[0];
    if (!oldest || position + 1 < oldest.position) {
      return undefined;
    }
    const batch = this.#batches[this.#search(position)];
    return batch?.records.slice(batch.records.findIndex((record) => record.position > position));
  }

  /** The index of the first batch that ends after a position. */
  #search(position: Position): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#batches[middle]?.records.at(-1);
      if (last && last.position > position) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
}
