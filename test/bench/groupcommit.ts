import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/**
 * The baseline of durable emit: better-sqlite3 alone, one row an event, as many events in each
 * transaction as the emitters of the other side have under way (8 batches of 100). No network, no
 * JSON, no checks; prints events a second.
 */
const { seconds } = JSON.parse(process.argv[2] ?? '{}') as { seconds: number };
const GROUP = 800;
/** What the service records for one of the emitter’s events. */
const EVENT_BYTES = 440;

const folder = mkdtempSync(join(tmpdir(), 'workspace-events-bench-'));
const database = new Database(join(folder, 'bare.sqlite'));
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec('CREATE TABLE events (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
const insert = database.prepare('INSERT INTO events (bytes) VALUES (?)');
const event = Buffer.alloc(EVENT_BYTES, 'x');
const commit = database.transaction(() => {
  for (let i = 0; i < GROUP; i++) {
    insert.run(event);
  }
});

function commitFor(duration: number): number {
  const began = performance.now();
  let events = 0;
  while (performance.now() - began < duration * 1000) {
    commit();
    events += GROUP;
  }
  return events / ((performance.now() - began) / 1000);
}

commitFor(1);
process.stdout.write(`${JSON.stringify({ eventsPerSecond: commitFor(seconds) })}\n`);
database.close();
rmSync(folder, { recursive: true });
