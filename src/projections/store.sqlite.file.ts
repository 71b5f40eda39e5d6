import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';

/**
 * The file of the embedded store: `schemas/store.sql`, opened by one thread that writes and by one
 * that reads. The key of an event is the number of its workspace times 2^33 plus its position: a
 * workspace is a range of keys, newest first is descending key, and a page resumes below a key.
 */

/** Positions and workspaces share the 53 bits of an exact number: no BigInt on the hot path. */
export const positionsMax = 2 ** 33;
export const workspacesMax = 2 ** 20;

export function keyOf(workspace: number, position: number): number {
  return workspace * positionsMax + position;
}

export function positionOf(key: number): number {
  return key % positionsMax;
}

/** A file of another layout, or with other tokens, would answer wrongly rather than fail. */
const layoutVersion = 3;

/** Enough for the upper levels of all the B-trees; what is read once should not push them out. */
const cacheKiB = 32 * 1_024;

/** Only a checkpoint ever waits, for a reader between two slices of its searches. */
const busyMs = 1_000;

/** In pages of 4 KiB. Fewer, larger checkpoints write a page that changed often only once. */
const checkpointPages = 4_000;

export function openFile(file: string, readonly: boolean): Database.Database {
  const db = new Database(file, { readonly, fileMustExist: readonly, timeout: busyMs });
  if (!readonly) {
    db.pragma('page_size = 4096');
    db.pragma('journal_mode = WAL');
    // The log is the truth. A power loss takes a WAL back to an earlier commit, in which checkpoint
    // and events still agree, and the projection goes on from there: no fsync at each commit.
    db.pragma('synchronous = NORMAL');
    db.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  }
  db.pragma(`cache_size = -${cacheKiB}`);
  db.pragma('temp_store = MEMORY');
  // Under a memory map a failing disk kills the process (SIGBUS) where a read fails one query.
  db.pragma('mmap_size = 0');
  if (!readonly) {
    createLayout(db, file);
  }
  return db;
}

function createLayout(db: Database.Database, file: string): void {
  const version = db.pragma('user_version', { simple: true });
  if (version !== 0 && version !== layoutVersion) {
    throw new Error(
      `${file} has layout ${String(version)}, this release reads ${layoutVersion}: ` +
        'start the release that wrote it, or move the file away and have it projected anew',
    );
  }
  db.exec(readFileSync(new URL('../../../schemas/store.sql', import.meta.url), 'utf8'));
  db.pragma(`user_version = ${layoutVersion}`);
}
