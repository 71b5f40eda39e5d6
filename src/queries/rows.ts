import type { Recorded } from '../event.js';
import { pack } from '../slab.js';
import { moving, Thread } from '../thread.js';
import type { RowThread } from './rows.thread.js';

/** What a row of an export has of an event, and how that is spelled. */
export interface RowFormat {
  readonly kind: 'lines' | 'csv';
  readonly fields: readonly string[];
  /** Of CSV: no text begins as a formula of a spreadsheet does. */
  readonly escapeFormulas: boolean;
}

/**
 * Spells rows in a thread of its own: it has to parse each event, and take it apart, for which
 * those who are served live would wait.
 */
export class RowWriter {
  #thread: Thread<RowThread> | undefined;

  /** One row an event, in order, in UTF-8. */
  rows(format: RowFormat, epoch: string, records: readonly Recorded[]): Promise<Uint8Array> {
    const positions = Float64Array.from(records, ({ position }) => position);
    const { ends, slab } = pack(records);
    this.#thread ??= this.#start();
    return this.#thread.call('rows', format, epoch, positions, ends, moving(slab, [slab.buffer]));
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #start(): Thread<RowThread> {
    const thread = new Thread<RowThread>(new URL('./rows.thread.js', import.meta.url), undefined);
    // It holds nothing, so another one can take its place.
    void thread.died.then(() => {
      this.#thread = undefined;
    });
    return thread;
  }
}
