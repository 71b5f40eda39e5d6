/** The thread that copies the WAL into the log file while commits and reads go on. */

import { fdatasyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { serve } from '../thread.js';
import { guarded } from './log.embedded.guard.js';

/**
 * The first copies what has gathered, each further one what was committed during the one before.
 */
const rounds = 3;

const { folder } = workerData as { folder: string };
const path = join(folder, 'log.sqlite');
const db = new Database(path, { fileMustExist: true });
db.pragma('synchronous = FULL');

// Never closed here: by POSIX, closing any descriptor of a file gives up all locks that the
// process has on it, those of the other threads' connections too. It goes with the thread, by when
// the writer has closed.
const file = openSync(path, 'r');

/**
 * Leaves little for the writer to copy and to sync. SQLite itself syncs the file only when a
 * checkpoint has met the end of the WAL: while commits go on that would be in the writer's
 * restart, for which commits wait.
 */
function checkpoint(): void {
  for (let round = 0; round < rounds; round++) {
    db.pragma('wal_checkpoint(PASSIVE)');
    fdatasyncSync(file);
  }
}

const api = {
  checkpoint: guarded(checkpoint),
  close: () => {
    db.close();
  },
};
export type Checkpointer = typeof api;

serve(api);
