import { openBareLog } from './bare.js';

/**
 * The baseline of durable emit: better-sqlite3 alone, as many events in each transaction as the
 * emitters of the other side have under way (8 batches of 100). No network, no JSON, no checks;
 * prints events a second.
 */
const { seconds } = JSON.parse(process.argv[2] ?? '{}') as { seconds: number };
const GROUP = 800;
/** What the service records for one of the emitter’s events. */
const EVENT_BYTES = 440;

const log = openBareLog();
const group = Array.from({ length: GROUP }, () => Buffer.alloc(EVENT_BYTES, 'x'));

function commitFor(duration: number): number {
  const began = performance.now();
  let events = 0;
  while (performance.now() - began < duration * 1000) {
    log.commit(group);
    events += GROUP;
  }
  return events / ((performance.now() - began) / 1000);
}

commitFor(1);
process.stdout.write(`${JSON.stringify({ eventsPerSecond: commitFor(seconds) })}\n`);
log.remove();
