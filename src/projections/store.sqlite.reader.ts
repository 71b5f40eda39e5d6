/** The thread that reads the file of the embedded store; it never waits for the one that writes. */
import { setImmediate as turn } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, Recorded, type Position } from '../event.js';
import { compile } from '../queries/filter.predicate.js';
import { planOf, type Plan } from '../queries/filter.sqlite.js';
import { pack, type Slab } from '../slab.js';
import { moving, serve } from '../thread.js';
import { pageBytesMax, searchTookTooLong } from './limits.js';
import type { SearchQuery } from './store.js';
import { Candidates, type EventRow, type Stretch } from './store.sqlite.candidates.js';
import { keyOf, openFile, positionOf, positionsMax } from './store.sqlite.file.js';

export interface ReaderData {
  readonly file: string;
  readonly searchMsMax: number;
}

/** Records as they cross threads: their bytes in a slab. */
export interface Packed extends Slab {
  readonly positions: Float64Array;
}

/** A search of a workspace by its name in the file. */
export type WorkspaceQuery = Omit<SearchQuery, 'of'> & { readonly workspace: string };

export interface PackedPage extends Packed {
  readonly more: boolean;
}

/** One thread serves all searches: each looks for matches this long, then the next has its turn. */
const sliceMs = 5;

/** With more, the turns come so rarely that all of them would run into their deadlines. */
const searchesMax = 200;

const { file, searchMsMax } = workerData as ReaderData;
const db = openFile(file, true);
let searches = 0;

const selectWorkspace = db.prepare<[string], { number: number; position: number }>(
  'SELECT number, position FROM workspaces WHERE name = ?',
);
const selectForward = db.prepare<[number, number], EventRow>(
  'SELECT key, bytes FROM events WHERE key > ? AND key <= ? ORDER BY key',
);
const candidates = new Candidates(db);

/**
 * One search, newest first, in slices. No statement stays open between two of them: it would hold
 * on to its snapshot, the WAL could not be cut, and a search that overlaps with others without end
 * would never see what was written since.
 */
class Search {
  readonly #workspace: number;
  readonly #plan: Plan;
  readonly #matches: (record: Recorded) => boolean;
  readonly #limit: number;
  /** The newest position that is still to look at. */
  #last: number;
  readonly found: Recorded[] = [];
  #foundBytes = 0;
  /** A match beyond the page was found. */
  more = false;

  constructor(workspace: number, { filter, limit, before }: WorkspaceQuery) {
    this.#workspace = workspace;
    this.#plan = planOf(filter, workspace);
    this.#matches = compile(filter);
    this.#limit = limit;
    this.#last = Math.min(this.#plan.last, before - 1, positionsMax - 1);
  }

  get full(): boolean {
    return this.found.length >= this.#limit || this.#foundBytes >= pageBytesMax;
  }

  /** Looks on until the slice is over. False: there is nothing more to look for. */
  slice(): boolean {
    const end = performance.now() + sliceMs;
    while (performance.now() < end) {
      const stretch = candidates.newest(this.#workspace, this.#plan, this.#last);
      if (!stretch || this.#lookAt(stretch, end)) {
        return false;
      }
    }
    return true;
  }

  /** Looks as far as time allows. True: the search is over. */
  #lookAt({ first, rows }: Stretch, end: number): boolean {
    for (const { key, bytes } of rows) {
      const record = new Recorded(positionOf(key) as Position, bytes);
      if (this.#matches(record)) {
        if (this.full) {
          this.more = true;
          return true;
        }
        this.found.push(record);
        this.#foundBytes += bytes.byteLength;
      }
      if (performance.now() >= end) {
        this.#last = record.position - 1;
        return false;
      }
    }
    this.#last = first - 1;
    return false;
  }
}

async function search(query: WorkspaceQuery): Promise<PackedPage> {
  if (searches >= searchesMax) {
    throw new ServiceError('limit-exceeded', `${searchesMax} searches are running; try again`, {
      retryAfterSeconds: 1,
    });
  }
  searches++;
  try {
    const row = selectWorkspace.get(query.workspace);
    const { found, more } = row
      ? await run(new Search(row.number, query))
      : { found: [], more: false };
    const packed = packedOf(found);
    return moving({ ...packed, more }, buffersOf(packed));
  } finally {
    searches--;
  }
}

async function run(search: Search): Promise<{ found: Recorded[]; more: boolean }> {
  const deadline = performance.now() + searchMsMax;
  while (search.slice()) {
    if (performance.now() > deadline) {
      if (search.full) {
        return { found: search.found, more: true };
      }
      throw searchTookTooLong(searchMsMax);
    }
    await turn();
  }
  return search;
}

function scan(workspace: string, after: number, until: number, limitBytes: number): Packed {
  const row = selectWorkspace.get(workspace);
  const records: Recorded[] = [];
  let bytesLeft = limitBytes;
  if (row) {
    // Before the first and after the last position are the keys of other workspaces.
    const begin = keyOf(row.number, Math.max(after, BEFORE_FIRST));
    const end = keyOf(row.number, Math.min(until, positionsMax - 1));
    for (const { key, bytes } of selectForward.iterate(begin, end)) {
      bytesLeft -= bytes.byteLength;
      if (bytesLeft < 0 && records.length > 0) {
        break;
      }
      records.push(new Recorded(positionOf(key) as Position, bytes));
    }
  }
  const packed = packedOf(records);
  return moving(packed, buffersOf(packed));
}

function checkpoint(workspace: string): Position {
  return (selectWorkspace.get(workspace)?.position ?? BEFORE_FIRST) as Position;
}

function packedOf(records: readonly Recorded[]): Packed {
  return { positions: Float64Array.from(records, ({ position }) => position), ...pack(records) };
}

function buffersOf({ positions, ends, slab }: Packed): ArrayBuffer[] {
  return [positions, ends, slab].map(({ buffer }) => buffer as ArrayBuffer);
}

function close(): void {
  db.close();
}

const api = { search, scan, checkpoint, close };
export type Reader = typeof api;

serve(api);
