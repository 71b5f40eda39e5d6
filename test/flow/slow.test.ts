import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { eventsUrl, request, type Frame } from '../support/client.js';
import { spawnNode, temporaryFolder, type NodeProcess } from '../support/node.js';
import { until } from '../until.js';

const MEASURED = fileURLToPath(new URL('./measured.js', import.meta.url));
const WORKSPACE = 'slow';

/** More, with the padding, than the buffers of both kernels hold of a connection. */
const EVENTS = 100_000;
const PADDING = 'x'.repeat(300);
const EVENTS_PER_SECOND = 12_500;
const FRAME_EVENTS = 50;

const MIB = 1024 * 1024;
const GROWTH_BYTES_MAX = 10 * MIB;

/** An event, as a subscriber of this process got it. */
interface Received {
  readonly n: number;
  readonly delayMs: number;
}

/** A subscriber that can stop reading. */
interface Reader {
  readonly received: Received[];
  pause(): void;
  resume(): void;
  close(): void;
}

describe('a subscriber that stops reading', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: NodeProcess;
  let emitter: WebSocket;
  let live: Reader;
  const slow: Reader[] = [];

  before(async () => {
    folder = await temporaryFolder();
    // A ring that is full from the start; no pings, which a subscriber that reads nothing misses.
    const env = { RING_BYTES_MAX: String(MIB), HEARTBEAT_SECONDS: '3600' };
    node = await spawnNode({ DATA_DIR: folder.path, ...env }, ['--expose-gc', MEASURED]);
    emitter = await connect(node.url);
    live = await readSocket(node.url);
  });
  after(async () => {
    for (const reader of [live, ...slow]) {
      reader.close();
    }
    emitter.terminate();
    await node.end('SIGKILL');
    await folder.remove();
  });

  it('costs neither memory nor the time of others, and misses nothing', async function () {
    this.timeout(120_000);
    const alone = await run();
    slow.push(await readSocket(node.url), await readStream(node.url));
    for (const reader of slow) {
      reader.pause();
    }
    const beside = await run();

    const growth = beside.bytes - alone.bytes;
    assert.ok(growth < GROWTH_BYTES_MAX, `${growth} bytes for a subscriber that does not read`);
    assert.ok(slow.every(({ received }) => received.length < EVENTS));
    // A delivery that waits for them would wait until the end of the run.
    const told = JSON.stringify({ alone, beside });
    assert.ok(beside.medianMs < 5 * alone.medianMs + 20, told);
    assert.ok(beside.maxMs < 5 * alone.maxMs + 1000, told);

    for (const reader of slow) {
      reader.resume();
      await until('it has caught up', () => reader.received.length >= EVENTS, 30_000);
      const misplaced = reader.received.find(({ n }, index) => n !== EVENTS + index);
      assert.equal(misplaced, undefined);
      assert.equal(reader.received.length, EVENTS);
    }
  });

  /** Emits all events while the live subscriber reads them, and tells how that went. */
  async function run(): Promise<{ bytes: number; medianMs: number; maxMs: number }> {
    const first = live.received.length;
    const began = performance.now();
    let sent = 0;
    await until(
      'all is emitted and delivered',
      () => {
        const due = Math.min(((performance.now() - began) * EVENTS_PER_SECOND) / 1000, EVENTS);
        for (; sent < due; sent += FRAME_EVENTS) {
          emitter.send(emitFrame(first + sent));
        }
        return live.received.length === first + EVENTS;
      },
      60_000,
    );
    const delays = live.received.slice(first).map(({ delayMs }) => delayMs);
    const sorted = Float64Array.from(delays).sort();
    const [medianMs = 0, maxMs = 0] = [sorted[EVENTS / 2], sorted.at(-1)];
    return { bytes: await bytesInUse(), medianMs, maxMs };
  }

  /** What the service holds in memory, once it has nothing left to do. */
  async function bytesInUse(): Promise<number> {
    await until(
      'all is historized',
      async () => {
        const { body } = await request(`${node.url}/metrics`);
        return /^projection_lag_events 0$/m.test(body as string);
      },
      60_000,
    );
    const told = (): string[] => node.output().match(/(?<=bytes in use: )\d+(?=;)/g) ?? [];
    const before = told().length;
    node.process.kill('SIGUSR2');
    return Number(await until('it has told its memory', () => told()[before]));
  }
});

function emitFrame(first: number): string {
  const at = performance.now();
  const events = Array.from({ length: FRAME_EVENTS }, (_, index) => ({
    type: 'slow.tested',
    payload: { n: first + index, at, padding: PADDING },
  }));
  return JSON.stringify({ op: 'emit', events });
}

/** @param event Just come: its time is now. */
function receivedFrom(event: { payload: { n: number; at: number } }): Received {
  const { n, at } = event.payload;
  return { n, delayMs: performance.now() - at };
}

async function connect(url: string): Promise<WebSocket> {
  const address = eventsUrl(url, WORKSPACE).replace('http', 'ws');
  const ws = new WebSocket(address, 'workspace-events.v1');
  await once(ws, 'open');
  return ws;
}

/** Subscribes from now on. */
async function readSocket(url: string): Promise<Reader> {
  const ws = await connect(url);
  const received: Received[] = [];
  ws.send(JSON.stringify({ op: 'subscribe', id: 1 }));
  await once(ws, 'message');
  ws.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as Frame;
    if (frame.op === 'event') {
      received.push(receivedFrom(frame.event));
    }
  });
  return {
    received,
    pause: () => {
      ws.pause();
    },
    resume: () => {
      ws.resume();
    },
    close: () => {
      ws.terminate();
    },
  };
}

/** Subscribes from now on, and reads nothing before it is resumed. */
async function readStream(url: string): Promise<Reader> {
  const headers = { Accept: 'text/event-stream' };
  const asked = get(eventsUrl(url, WORKSPACE), { headers });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const received: Received[] = [];
  let text = '';
  const read = (chunk: string): void => {
    const messages = (text + chunk).split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const [, data] = /^data: (.*"event":.*)$/m.exec(message) ?? [];
      if (data !== undefined) {
        received.push(receivedFrom(JSON.parse(data).event));
      }
    }
  };
  response.setEncoding('utf8').on('data', read);
  return {
    received,
    pause: () => {
      response.pause();
    },
    resume: () => {
      response.resume();
    },
    close: () => {
      response.destroy();
    },
  };
}
