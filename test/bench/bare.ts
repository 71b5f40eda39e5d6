import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** Better-sqlite3 alone, one row an event, each commit as durable as the service’s own. */
export interface BareLog {
  commit(events: readonly Uint8Array[]): void;
  /** Closes it and removes its folder. */
  remove(): void;
}

export function openBareLog(): BareLog {
  const folder = mkdtempSync(join(tmpdir(), 'workspace-events-bench-'));
  const database = new Database(join(folder, 'bare.sqlite'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE events (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
  const insert = database.prepare('INSERT INTO events (bytes) VALUES (?)');
  return {
    commit: database.transaction((events: readonly Uint8Array[]) => {
      for (const event of events) {
        insert.run(event);
      }
    }),
    remove: () => {
      database.close();
      rmSync(folder, { recursive: true });
    },
  };
}
