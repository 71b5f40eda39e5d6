import { Agent, request } from 'node:http';

/**
 * Emits as fast as a server takes it, over HTTP, in batches or as lines; prints events a second.
 */
interface Emitting {
  readonly url: string;
  readonly format: 'batch' | 'lines';
  readonly seconds: number;
}

const BATCH_EVENTS = 100;
const CONNECTIONS = 8;
/** Long enough that the stream itself is measured, not its beginning and end. */
const LINES_CHUNKS = 200;
const WARM_SECONDS = 2;

const { url, format, seconds } = JSON.parse(process.argv[2] ?? '{}') as Emitting;
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const address = `${url}/v2/workspaces/bench/events`;
const draft = JSON.stringify({
  type: 'bench.tick',
  payload: { at: '0'.repeat(20), n: 1, text: 'x'.repeat(80) },
});
const batch = Buffer.from(`{"events":[${Array(BATCH_EVENTS).fill(draft).join(',')}]}`);
const lines = Buffer.from(`${Array(BATCH_EVENTS).fill(draft).join('\n')}\n`);

let emitted = 0;

function post(): Promise<void> {
  return new Promise((resolve, reject) => {
    const type = format === 'batch' ? 'application/json' : 'application/x-ndjson';
    const out = request(address, { method: 'POST', agent, headers: { 'Content-Type': type } });
    out.on('error', reject);
    out.on('response', (response) => {
      if (response.statusCode !== 201) {
        reject(new Error(`answered ${String(response.statusCode)}`));
      }
      response.resume().on('end', () => {
        if (format === 'batch') {
          emitted += BATCH_EVENTS;
        }
        resolve();
      });
    });
    if (format === 'batch') {
      out.end(batch);
      return;
    }
    let left = LINES_CHUNKS;
    const write = (): void => {
      while (left > 0) {
        left--;
        emitted += BATCH_EVENTS;
        if (!out.write(lines)) {
          out.once('drain', write);
          return;
        }
      }
      out.end();
    };
    write();
  });
}

async function emitFor(duration: number): Promise<number> {
  const began = performance.now();
  const before = emitted;
  const worker = async (): Promise<void> => {
    while (performance.now() - began < duration * 1000) {
      await post();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  return (emitted - before) / ((performance.now() - began) / 1000);
}

await emitFor(WARM_SECONDS);
process.stdout.write(`${JSON.stringify({ eventsPerSecond: await emitFor(seconds) })}\n`);
agent.destroy();
