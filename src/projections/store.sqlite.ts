import { nameOf, Recorded, type Incarnation, type Position } from '../event.js';
import { pause } from '../pause.js';
import { pack, unpack } from '../slab.js';
import { moving, Thread } from '../thread.js';
import type { Loss } from './losses.js';
import type {
  Aggregate,
  AggregateQuery,
  EventStore,
  Outcome,
  Page,
  SearchQuery,
  Selection,
} from './store.js';
import type { Crossing, Packed, Reader, ReaderData } from './store.sqlite.reader.js';
import type { Writer } from './store.sqlite.writer.js';

/** Longer, and whoever asked has gone away; the search would go on at the cost of the others. */
const searchMsMaxDefault = 10_000;

export interface StoreOptions {
  /** Of one search, in milliseconds. */
  readonly searchMsMax?: number;
  /** Told when the store can never work again in this process. */
  readonly onFatal?: (error: Error) => void;
}

/**
 * Opens the embedded store in a folder: one SQLite file, a thread that writes it and a thread that
 * reads it. The calling thread only moves bytes: no fsync and no search holds the service up.
 */
export async function openSqliteStore(
  folder: string,
  { searchMsMax = searchMsMaxDefault, onFatal }: StoreOptions = {},
): Promise<EventStore> {
  const writer = new Thread<Writer>(new URL('./store.sqlite.writer.js', import.meta.url), {
    folder,
  });
  // The reader cannot open a file before the writer has made it.
  const file = await writer.call('file');
  const reader = new Thread<Reader>(new URL('./store.sqlite.reader.js', import.meta.url), {
    file,
    searchMsMax,
  } satisfies ReaderData);
  if (onFatal) {
    for (const { died } of [writer, reader]) {
      void died.then(onFatal);
    }
  }
  return new SqliteStore(writer, reader);
}

class SqliteStore implements EventStore {
  /** Each batch is a transaction. */
  readonly gatherMs = 100;
  readonly #writer: Thread<Writer>;
  readonly #reader: Thread<Reader>;

  constructor(writer: Thread<Writer>, reader: Thread<Reader>) {
    this.#writer = writer;
    this.#reader = reader;
  }

  write(of: Incarnation, records: readonly Recorded[]): Promise<readonly Outcome[]> {
    const positions = Float64Array.from(records, ({ position }) => position);
    const { ends, slab } = pack(records);
    return this.#writer.call('write', nameOf(of), positions, ends, moving(slab, [slab.buffer]));
  }

  checkpoint(of: Incarnation): Promise<Position> {
    return this.#reader.call('checkpoint', nameOf(of));
  }

  advance(of: Incarnation, checkpoint: Position): Promise<void> {
    return this.#writer.call('advance', nameOf(of), checkpoint);
  }

  settle(of: Incarnation): Promise<Position> {
    return this.#writer.call('settle', nameOf(of));
  }

  async search(query: SearchQuery): Promise<Page> {
    const page = await this.#ask(query, (crossing) => this.#reader.call('search', crossing));
    const hits = unpacked(page).map((record, index) => ({
      of: query.of[page.of[index]!]!,
      record,
    }));
    return { hits, more: page.more };
  }

  aggregate(query: AggregateQuery): Promise<Aggregate> {
    return this.#ask(query, (crossing) => this.#reader.call('aggregate', crossing));
  }

  async scan(
    of: Incarnation,
    after: Position,
    until: Position,
    limitBytes: number,
  ): Promise<readonly Recorded[]> {
    return unpacked(await this.#reader.call('scan', nameOf(of), after, until, limitBytes));
  }

  losses(of: Incarnation): Promise<readonly Loss[]> {
    return this.#reader.call('losses', nameOf(of));
  }

  async lose(of: Incarnation, losses: readonly Loss[]): Promise<void> {
    if (losses.length > 0) {
      await this.#writer.call('lose', nameOf(of), losses);
    }
  }

  trimmed(of: Incarnation): Promise<Position> {
    return this.#reader.call('trimmed', nameOf(of));
  }

  async *trim(of: Incarnation, upTo: Position): AsyncGenerator<number> {
    for (;;) {
      const began = performance.now();
      const removed = await this.#writer.call('trim', nameOf(of), upTo);
      if (removed === 0) {
        return;
      }
      yield removed;
      // The writer has half of its time for what is emitted.
      await pause(performance.now() - began);
    }
  }

  drop(of: Incarnation): Promise<void> {
    return this.#writer.call('drop', nameOf(of));
  }

  /** The reader looks at memory that is shared whether it is to go on. */
  async #ask<Q extends Selection & { readonly signal?: AbortSignal }, T>(
    { of, signal, ...query }: Q,
    ask: (crossing: Crossing<Q>) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const left = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const leave = (): void => {
      Atomics.store(left, 0, 1);
    };
    signal?.addEventListener('abort', leave);
    try {
      return await ask({ ...query, names: of.map(nameOf), left });
    } finally {
      signal?.removeEventListener('abort', leave);
      signal?.throwIfAborted();
    }
  }

  async close(): Promise<void> {
    // The reader first: the last one to close the file is who removes the WAL.
    for (const thread of [this.#reader, this.#writer]) {
      await thread.call('close');
      await thread.terminate();
    }
  }
}

function unpacked({ positions, ends, slab }: Packed): Recorded[] {
  return unpack(ends, slab).map(
    (bytes, index) => new Recorded(positions[index]! as Position, bytes),
  );
}
