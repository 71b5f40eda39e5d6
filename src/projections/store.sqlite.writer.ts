/** The thread that alone writes the file of the embedded store. */
import assert from 'node:assert/strict';
import { closeSync, fdatasyncSync, openSync, statSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Event, type Position } from '../event.js';
import { instant } from '../instant.js';
import { unpack } from '../slab.js';
import { serve } from '../thread.js';
import { parseEvent } from './document.js';
import { withLosses, type Loss } from './losses.js';
import type { Outcome } from './store.js';
import { keyOf, openFile, positionsMax, workspacesMax } from './store.sqlite.file.js';
import { tokensOf } from './tokens.sqlite.js';

/** How much nicer than the rest of the service: history yields to emits and deliveries. */
const niceness = 15;

/**
 * A scheduler lets a thread run for some ms before it looks for a nicer one, and whoever shares the
 * processor waits as long: with two processors, the deliveries of every fiftieth event. So this
 * thread rests by itself, which costs it a fifth of its speed.
 */
const burstMsMax = 0.3;
const restMs = 0.2;

/**
 * While readers come and go without a pause, SQLite cannot begin the WAL anew, and it grows. Past
 * this size a commit waits for them.
 */
const walBytesMax = 64 * 1_024 * 1_024;

/** How many events of a dropped workspace go at once: other workspaces are written in between. */
const purgeEventsMax = 500;

if (process.platform === 'linux') {
  // On Linux alone this sets the priority of the calling thread, elsewhere that of the process.
  setPriority(niceness);
}

const { folder } = workerData as { folder: string };
const file = join(folder, 'store.sqlite');
const db = openFile(file, false);

const insertWorkspace = db.prepare('INSERT INTO workspaces (name) VALUES (?)');
const selectNumber = db
  .prepare<[string], number>('SELECT number FROM workspaces WHERE name = ?')
  .pluck();
const selectCheckpoint = db
  .prepare<[string], Position>('SELECT position FROM workspaces WHERE name = ?')
  .pluck();
const updateCheckpoint = db.prepare(
  'UPDATE workspaces SET position = max(position, ?) WHERE number = ?',
);
const insertEvent = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
const insertTokens = db.prepare('INSERT INTO tokens (rowid, text) VALUES (?, ?)');
const selectKey = db
  .prepare<[number, string], number>('SELECT key FROM events WHERE workspace = ? AND id = ?')
  .pluck();
const unname = db.prepare('UPDATE workspaces SET name = NULL WHERE name = ?');
const selectDropped = db
  .prepare<[], number>('SELECT number FROM workspaces WHERE name IS NULL LIMIT 1')
  .pluck();
const selectKeys = db
  .prepare<[number, number, number], number>(
    'SELECT key FROM events WHERE key >= ? AND key < ? LIMIT ?',
  )
  .pluck();
const updateTrimmed = db.prepare(
  'UPDATE workspaces SET trimmed = max(trimmed, ?) WHERE number = ?',
);
const selectLosses = db
  .prepare<[number], string>('SELECT list FROM losses WHERE workspace = ?')
  .pluck();
const replaceLosses = db.prepare('REPLACE INTO losses VALUES (?, ?)');
const deleteLosses = db.prepare('DELETE FROM losses WHERE workspace = ?');
const deleteTokens = db.prepare('DELETE FROM tokens WHERE rowid = ?');
const deleteEvent = db.prepare('DELETE FROM events WHERE key = ?');
const deleteWorkspace = db.prepare('DELETE FROM workspaces WHERE number = ?');

function numberOf(workspace: string): number {
  const number =
    selectNumber.get(workspace) ?? Number(insertWorkspace.run(workspace).lastInsertRowid);
  if (number >= workspacesMax) {
    throw new ServiceError('unavailable', `the store holds ${workspacesMax} workspaces, its most`);
  }
  return number;
}

const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
let rested = performance.now();

function rest(): void {
  if (performance.now() - rested > burstMsMax) {
    Atomics.wait(never, 0, 0, restMs);
    rested = performance.now();
  }
}

function store(workspace: number, position: number, bytes: Uint8Array): Outcome {
  let event: Event;
  let tokens: string;
  try {
    event = parseEvent(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
    tokens = tokensOf(workspace, position, event);
  } catch (error) {
    return { refused: (error as Error).message };
  }
  assert(position >= 0 && position < positionsMax, `there is no position ${position}`);
  const key = keyOf(workspace, position);
  const time = instant(event.time) || 0;
  if (insertEvent.run(key, workspace, event.id, time, bytes).changes === 1) {
    insertTokens.run(key, tokens);
    return 'stored';
  }
  const known = selectKey.get(workspace, event.id);
  if (known !== undefined && known <= key) {
    return 'exists';
  }
  // The log is the truth: it has lost what stood here, and where this event stood before.
  remove(key);
  if (known !== undefined) {
    remove(known);
  }
  insertEvent.run(key, workspace, event.id, time, bytes);
  insertTokens.run(key, tokens);
  return 'stored';
}

function remove(key: number): void {
  deleteTokens.run(key);
  deleteEvent.run(key);
}

/** A transaction after which the WAL is still of bounded size. */
function transaction<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R {
  const run = db.transaction(work);
  return (...args) => {
    const result = run(...args);
    if (statSync(`${file}-wal`).size > walBytesMax) {
      db.pragma('wal_checkpoint(TRUNCATE)');
    }
    return result;
  };
}

const markDropped = transaction((workspace: string) => {
  unname.run(workspace);
});

/** Deletes some events of a dropped workspace; after the last of them, the workspace. */
const purgeSome = transaction((workspace: number) => {
  if (deleteSome(workspace, positionsMax) < purgeEventsMax) {
    deleteLosses.run(workspace);
    deleteWorkspace.run(workspace);
  }
});

/** Deletes some of the events before a position; tells how many. */
function deleteSome(workspace: number, before: number): number {
  const keys = selectKeys.all(keyOf(workspace, 0), keyOf(workspace, before), purgeEventsMax);
  for (const key of keys) {
    remove(key);
  }
  return keys.length;
}

async function purge(): Promise<void> {
  for (;;) {
    const workspace = db.open ? selectDropped.get() : undefined;
    if (workspace === undefined) {
      return;
    }
    purgeSome(workspace);
    await turn();
  }
}

/** Commits are not synced one by one; this syncs all so far. */
function sync(): void {
  const wal = openSync(`${file}-wal`, 'r');
  fdatasyncSync(wal);
  closeSync(wal);
}

const api = {
  file: () => file,
  write: transaction(
    (
      workspace: string,
      positions: Float64Array,
      ends: Uint32Array,
      slab: Uint8Array,
    ): Outcome[] => {
      const number = numberOf(workspace);
      return unpack(ends, slab).map((bytes, index) => {
        rest();
        return store(number, positions[index]!, bytes);
      });
    },
  ),
  advance: transaction((workspace: string, position: number): void => {
    updateCheckpoint.run(position, numberOf(workspace));
  }),
  settle(workspace: string): Position {
    const position = selectCheckpoint.get(workspace) ?? BEFORE_FIRST;
    sync();
    return position;
  },
  lose: transaction((workspace: string, losses: readonly Loss[]): void => {
    const number = numberOf(workspace);
    const known = JSON.parse(selectLosses.get(number) ?? '[]') as readonly Loss[];
    replaceLosses.run(number, JSON.stringify(withLosses(known, losses)));
  }),
  /** Removes some of what is to be trimmed; tells how many events, and 0 when all are gone. */
  trim: transaction((workspace: string, upTo: number): number => {
    const number = numberOf(workspace);
    updateTrimmed.run(upTo, number);
    return deleteSome(number, upTo + 1);
  }),
  /** Once it is marked nothing of the workspace is found; in the end all of it is gone. */
  async drop(workspace: string): Promise<void> {
    markDropped(workspace);
    // The log is told that it is gone, and remembers that through a failure of the power.
    sync();
    await purge();
  },
  close(): void {
    db.close();
  },
};
export type Writer = typeof api;

serve(api);
// Takes up the drops that the end of the process cut short.
await purge();
