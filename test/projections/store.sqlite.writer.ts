/**
 * Writes to the workspace `w` of the store in a folder, moving its checkpoint, until it is killed.
 * Prints each position that the checkpoint came to.
 */
import { writeSync } from 'node:fs';
import type { Position } from '../../src/event.js';
import { openSqliteStore } from '../../src/projections/store.sqlite.js';
import { incarnation, recordedRange } from './recorded.js';

const W = incarnation('w');
const store = await openSqliteStore(process.argv[2]!);
for (let next = 0; ; next += 10) {
  await store.write(W, recordedRange(next, next + 10));
  const position = (next + 9) as Position;
  await store.advance(W, position);
  writeSync(1, `${position}\n`);
}
