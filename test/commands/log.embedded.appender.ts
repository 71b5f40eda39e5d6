/**
 * Appends to the workspace `w` of the log in a folder until it is killed: several appends at a
 * time, of one to five records. Prints `<first position> <count>` for each that was acknowledged.
 */
import { writeSync } from 'node:fs';
import { openEmbeddedLog } from '../../src/commands/log.embedded.js';
import { numbered } from './sealed.js';

const log = await openEmbeddedLog(process.argv[2]!);
const { next } = await log.create('w', {});
let asked: number = next;

async function appendForEver(): Promise<never> {
  for (;;) {
    const count = 1 + (asked % 5);
    asked += count;
    const first = await log.append('w', numbered(asked - count, asked));
    // At once and whole: what is acknowledged may not wait in this process.
    writeSync(1, `${first} ${count}\n`);
  }
}

await Promise.all([appendForEver(), appendForEver(), appendForEver()]);
