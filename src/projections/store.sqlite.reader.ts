/** The thread that reads the file of the embedded store; it never waits for the one that writes. */
import { setImmediate as turn } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, Recorded, type Position } from '../event.js';
import { compile } from '../queries/filter.predicate.js';
import { planOf, type Era } from '../queries/filter.sqlite.js';
import { pack, type Slab } from '../slab.js';
import { moving, serve } from '../thread.js';
import { Aggregation } from './aggregation.js';
import { searchTookTooLong } from './limits.js';
import type { Loss } from './losses.js';
import type { Aggregate, AggregateQuery, SearchQuery, Selection } from './store.js';
import { keyOf, openFile, positionOf, positionsMax } from './store.sqlite.file.js';
import { RankedPage } from './store.sqlite.page.js';
import { Walks, type Course, type Take } from './store.sqlite.walk.js';

export interface ReaderData {
  readonly file: string;
  readonly searchMsMax: number;
}

/** Records as they cross threads: their bytes in a slab. */
export interface Packed extends Slab {
  readonly positions: Float64Array;
}

/** A query as it crosses threads. */
export type Crossing<Q extends Selection & { readonly signal?: AbortSignal }> = Omit<
  Q,
  'of' | 'signal'
> & {
  /** The names of the incarnations. */
  readonly names: readonly string[];
  /** Shared with who asks: not 0 when that one has left. */
  readonly left: Int32Array;
};

export interface PackedPage extends Packed {
  /** Of each record, the place of its incarnation among those that were asked for. */
  readonly of: Uint32Array;
  readonly more: boolean;
}

/** One thread answers all queries: each looks for matches this long, then the next has its turn. */
const sliceMs = 5;

/** With more, the turns come so rarely that all of them would run into their deadlines. */
const queriesMax = 200;

const { file, searchMsMax } = workerData as ReaderData;
const db = openFile(file, true);
let queries = 0;

interface WorkspaceRow {
  readonly number: number;
  readonly position: Position;
  readonly trimmed: Position;
}

const selectWorkspace = db.prepare<[string], WorkspaceRow>(
  'SELECT number, position, trimmed FROM workspaces WHERE name = ?',
);
const selectLosses = db
  .prepare<[string], string>(
    'SELECT list FROM losses WHERE workspace = (SELECT number FROM workspaces WHERE name = ?)',
  )
  .pluck();
const selectForward = db.prepare<[number, number], { key: number; bytes: Buffer }>(
  'SELECT key, bytes FROM events WHERE key > ? AND key <= ? ORDER BY key',
);
const selectEra = db.prepare<{ of: number }, Era>(
  `SELECT ifnull((SELECT min(time) FROM events WHERE workspace = $of), 0) AS begin,
          ifnull((SELECT max(time) FROM events WHERE workspace = $of), 0) AS end`,
);
const walks = new Walks(db);

async function search(query: Crossing<SearchQuery>): Promise<PackedPage> {
  const { sort, order, after, limit } = query;
  const page = new RankedPage(order, limit);
  await inTurns(query, order, (course, name) => {
    // Of another workspace at the very time of the key, all come before it, or none.
    const besides = name < (after?.of ?? '') ? Infinity : -Infinity;
    const position = name === after?.of ? after.position : besides;
    return {
      walk:
        sort === 'position'
          ? walks.byPosition(course, after?.position)
          : walks.byTime(course, after && [after.time, position]),
      take: (record, time) => page.add({ time, of: name, record }),
      // What is full is an answer, though nobody knows whether there is more behind it.
      isEnough: () => {
        page.more ||= page.full;
        return query.names.length === 1 && page.full;
      },
    };
  });
  const { found, more } = page;
  const packed = packedOf(found.map(({ record }) => record));
  const of = Uint32Array.from(found, (ranked) => query.names.indexOf(ranked.of));
  return moving({ ...packed, of, more }, [...buffersOf(packed), of.buffer]);
}

async function aggregate(query: Crossing<AggregateQuery>): Promise<Aggregate> {
  const aggregation = new Aggregation(query);
  await inTurns(query, 'oldest', (course) => ({
    walk: walks.byPosition(course),
    take: (record) => {
      aggregation.add(record);
      return true;
    },
    isEnough: () => false,
  }));
  return aggregation.result();
}

interface Going {
  readonly walk: { slice(end: number, take: Take): boolean };
  readonly take: Take;
  /** Whether there is an answer already when time is up. */
  readonly isEnough: () => boolean;
}

/** Goes through the matches in each of the workspaces, slice by slice. */
async function inTurns(
  { names, filter, last, left }: Crossing<Selection>,
  order: Course['order'],
  go: (course: Course, name: string) => Going,
): Promise<void> {
  if (queries >= queriesMax) {
    throw new ServiceError('limit-exceeded', `${queriesMax} queries are running; try again`, {
      retryAfterSeconds: 1,
    });
  }
  queries++;
  try {
    const deadline = performance.now() + searchMsMax;
    const matches = compile(filter);
    for (const name of names) {
      const row = selectWorkspace.get(name);
      if (row) {
        const plan = planOf(filter, row.number, selectEra.get({ of: row.number }));
        await through(
          go({ workspace: row.number, plan, matches, last, order }, name),
          deadline,
          left,
        );
      }
    }
  } finally {
    queries--;
  }
}

async function through(
  { walk, take, isEnough }: Going,
  deadline: number,
  left: Int32Array,
): Promise<void> {
  while (walk.slice(performance.now() + sliceMs, take) && Atomics.load(left, 0) === 0) {
    if (performance.now() > deadline) {
      if (isEnough()) {
        return;
      }
      throw searchTookTooLong(searchMsMax);
    }
    await turn();
  }
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
  return selectWorkspace.get(workspace)?.position ?? BEFORE_FIRST;
}

function trimmed(workspace: string): Position {
  return selectWorkspace.get(workspace)?.trimmed ?? BEFORE_FIRST;
}

function losses(workspace: string): readonly Loss[] {
  return JSON.parse(selectLosses.get(workspace) ?? '[]') as readonly Loss[];
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

const api = { search, aggregate, scan, checkpoint, losses, trimmed, close };
export type Reader = typeof api;

serve(api);
