/** The thread that alone writes the log file. Each call is one transaction with one fsync. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { serve } from '../thread.js';
import { guarded } from './log.embedded.guard.js';
import { keyOf, logsMax, type LogRow, type NewLog, type Run } from './log.embedded.rows.js';

export interface WriterData {
  readonly folder: string;
  readonly fileBytesMax: number | undefined;
}

const schema = new URL('../../../schemas/log.sql', import.meta.url);
const schemaVersion = 1;

/**
 * How long a restart of the WAL waits for a read that still uses it: one of ours takes a few ms,
 * and for the backup of another process no commit should have to wait.
 */
const busyMsMax = 100;

/**
 * How long one slice of a deletion may hold commits up, and how many rows it takes between two
 * looks at the clock.
 */
const purgeMsMax = 5;
const purgeRows = 16;

const { folder, fileBytesMax } = workerData as WriterData;
mkdirSync(folder, { recursive: true });
const lock = lockFolder();
const db = openFile();

/**
 * Two processes on one log would give the same positions to different records. The lock is a
 * transaction that never ends: unlike a file with a process id, the system releases it with the
 * process.
 */
function lockFolder(): Database.Database {
  const held = new Database(join(folder, 'lock.sqlite'), { timeout: 0 });
  try {
    return held.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    throw new Error(
      `the log in ${folder} is in use: stop the process that has it open, or choose another folder`,
      { cause },
    );
  }
}

function openFile(): Database.Database {
  const file = new Database(join(folder, 'log.sqlite'), { timeout: busyMsMax });
  const version = file.pragma('user_version', { simple: true });
  if (version !== 0 && version !== schemaVersion) {
    throw new Error(`the log in ${folder} was made by another version of this service`);
  }
  file.pragma('journal_mode = WAL');
  file.pragma('synchronous = FULL');
  // Another thread copies the WAL into the file, so that no commit has to.
  file.pragma('wal_autocheckpoint = 0');
  if (fileBytesMax !== undefined) {
    const pageBytes = file.pragma('page_size', { simple: true }) as number;
    file.pragma(`max_page_count = ${String(Math.floor(fileBytesMax / pageBytes))}`);
  }
  return file.exec(readFileSync(schema, 'utf8'));
}

const selectLogs = db.prepare<[], LogRow>('SELECT * FROM logs');
const selectLog = db.prepare<[number], LogRow>(`${selectLogs.source} WHERE number = ?`);
const selectNumber = db
  .prepare<[], number>('SELECT coalesce(max(number) + 1, 0) FROM logs')
  .pluck();
const insertLog = db.prepare('INSERT INTO logs VALUES (?, ?, ?, 0, 0, ?)');
const advance = db.prepare(
  'UPDATE logs SET next = ? WHERE number = ? AND next = ? AND workspace IS NOT NULL',
);
const insertRun = db.prepare('INSERT INTO runs VALUES (?, ?, ?, ?, ?)');
const unname = db.prepare('UPDATE logs SET workspace = NULL, first = next WHERE number = ?');
const moveFirst = db.prepare('UPDATE logs SET first = ? WHERE number = ?');
const updateRetention = db.prepare('UPDATE logs SET retention = ? WHERE number = ?');
const deleteLog = db.prepare('DELETE FROM logs WHERE number = ?');
const deleteRuns = db.prepare<[{ begin: number; end: number }]>(
  `DELETE FROM runs WHERE key >= :begin AND key < :end AND key + count <= :end
   LIMIT ${purgeRows}`,
);

/** All of it or nothing. */
function transaction<A extends unknown[], R>(write: (...args: A) => R): (...args: A) => R {
  return guarded(db.transaction(write));
}

function createLog({ workspace, epoch, retention }: NewLog): number {
  const number = selectNumber.get()!;
  if (number >= logsMax) {
    throw new Error(`the log in ${folder} takes ${logsMax} workspaces, and no more`);
  }
  insertLog.run(number, workspace, epoch, retention);
  return number;
}

function commit(runs: readonly Run[]): void {
  for (const { log, first, created, ends, slab } of runs) {
    assert.equal(ends.at(-1), slab.byteLength, `a run of log ${log} is torn`);
    const { changes } = advance.run(first + ends.length, log, first);
    assert.equal(changes, 1, `log ${log} does not continue at ${first}`);
    insertRun.run(keyOf(log, first), ends.length, created, ends, slab);
  }
}

/** Deletes some of the runs before the first record held; `true` while there is more to delete. */
function purge(number: number): boolean {
  const row = selectLog.get(number);
  // A drop that came during the deletion for a trim has its own, and one of the two is the last.
  if (!row) {
    return false;
  }
  const range = { begin: keyOf(number, 0), end: keyOf(number, row.first) };
  const deadline = performance.now() + purgeMsMax;
  while (deleteRuns.run(range).changes === purgeRows) {
    if (performance.now() > deadline) {
      return true;
    }
  }
  if (row.workspace === null) {
    deleteLog.run(number);
  }
  return false;
}

const api = {
  logs: () => selectLogs.all(),
  create: transaction(createLog),
  commit: transaction(commit),
  /** From here on nobody can read it; `purge` deletes it. */
  drop: transaction((number: number) => {
    unname.run(number);
  }),
  /** From here on nobody can read what is before `first`; `purge` deletes it. */
  trim: transaction((number: number, first: number) => {
    moveFirst.run(first, number);
  }),
  purge: transaction(purge),
  retain: transaction((number: number, retention: string) => {
    updateRetention.run(retention, number);
  }),
  /**
   * Copies the rest of the WAL into the file and has the next commit write it from its start;
   * `false` where a reader is in the way.
   */
  restartWal: guarded(() => {
    const [{ busy }] = db.pragma('wal_checkpoint(RESTART)') as [{ busy: number }];
    return busy === 0;
  }),
  close: () => {
    db.close();
    lock.close();
  },
};
export type Writer = typeof api;

serve(api);
