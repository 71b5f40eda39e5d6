import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mock } from 'node:test';
import { FrameSocket } from '../../src/transport/framesocket.js';
import { emit, request, Socket } from '../support/client.js';
import { exportText, Rows } from '../support/export.js';
import { startNode, type TestNode } from '../support/node.js';
import { open, request as rawRequest } from '../support/raw.js';
import { until } from '../until.js';

/** More than all the buffers on the way hold, those of the system among them. */
const ANSWER_BYTES = 40_000_000;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('A client that reads nothing', () => {
  let node: TestNode;
  let socket: Socket;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });
  beforeEach(async () => {
    socket = await Socket.open(node.url, 'pressed');
  });
  afterEach(async () => {
    mock.restoreAll();
    await socket.close();
  });

  /** Gives a count once it has stood still while others were served. */
  async function stalled(count: () => number): Promise<number> {
    let last = 0;
    return until('it is no longer read from', async () => {
      for (const n of upTo(10)) {
        await emit(node.url, 'others', [{ type: 'n', payload: { n } }]);
      }
      const before = last;
      last = count();
      return last > 0 && last === before && last;
    });
  }

  /** Sends frames without reading; holds that the server stops to read until the client does. */
  async function press(frames: number, frame: (id: number) => unknown): Promise<void> {
    const answer = mock.method(FrameSocket.prototype, 'send');
    socket.ws.pause();
    for (const id of upTo(frames)) {
      socket.send(frame(id));
    }
    const answered = await stalled(() => answer.mock.callCount());
    assert.ok(answered < frames, `all ${answered} answers were held in memory`);
    socket.ws.resume();
    await until('it is read from again', () => answer.mock.callCount() > answered);
  }

  it('is read from no longer, once its answers fill the buffers', async () => {
    const events = Array<null>(1000).fill(null);
    await press(Math.ceil(ANSWER_BYTES / 115_000), (id) => ({ op: 'emit', id, events }));
  }).timeout(60_000);

  it('is read from no longer, be it that it sends nothing but mistakes', async () => {
    await press(ANSWER_BYTES / 200, (id) => ({ id }));
  }).timeout(60_000);

  it('loses nothing of what it subscribes to, and falls back to the log', async () => {
    const slowed = async (): Promise<number> => {
      const { body } = await request(`${node.url}/metrics`);
      return Number(/^subscribers_slowed_total (\d+)/m.exec(body as string)?.[1]);
    };
    const before = await slowed();
    const { subscription } = await socket.ask({ op: 'subscribe' });
    socket.ws.pause();
    const text = 'x'.repeat(500_000);
    const events = upTo(ANSWER_BYTES / text.length);
    for (const n of events) {
      await emit(node.url, 'pressed', [{ type: 'n', payload: { n, text } }]);
    }
    assert.ok((await slowed()) > before);
    socket.ws.resume();
    await until(
      'all have come',
      () => socket.events(subscription as string).length >= events.length,
    );
    assert.deepEqual(
      socket.events(subscription as string).map(({ event }) => event.payload.n as number),
      events,
    );
  }).timeout(60_000);

  /** Emits what fills all the buffers on the way, also when it is compressed. */
  async function fill(workspace: string): Promise<number> {
    const events = upTo(ANSWER_BYTES / 500_000);
    for (const n of events) {
      const text = randomBytes(375_000).toString('base64');
      await emit(node.url, workspace, [{ type: 'n', payload: { n, text } }]);
    }
    return events.length;
  }

  it('gets Server-Sent Events no faster than it reads, and whole', async () => {
    const count = await fill('sse');
    const read = mock.method(node.service.log, 'read');
    const client = open(node.url);
    client.pause();
    const target = '/v2/workspaces/sse/events?from=start';
    client.write(rawRequest('GET', target, { Accept: 'text/event-stream' }));
    const reads = await stalled(() => read.mock.callCount());
    assert.ok(reads < count, `all ${reads} were held in memory`);
    let received = '';
    client.on('data', (part) => {
      received += part.toString('latin1');
    });
    client.resume();
    await until('all have come', () => received.includes('event: caught-up'));
    const found = [...received.matchAll(/"payload":\{"n":(\d+)/g)].map(([, n]) => Number(n));
    assert.deepEqual(found, upTo(count));
    client.destroy();
  }).timeout(60_000);

  for (const format of ['lines', 'csv'] as const) {
    for (const isGzipped of [false, true]) {
      const name = `${format}${isGzipped ? ', gzipped,' : ''}`;
      it(`gets an export as ${name} no faster than it reads, and whole`, async () => {
        const workspace = name.replaceAll(/\W/g, '');
        const count = await fill(workspace);
        const read = mock.method(node.service.log, 'read');
        const rows = new Rows(format);
        const found: string[] = [];
        let reads: number | undefined;
        for await (const text of exportText(node.url, workspace, { format, isGzipped })) {
          reads ??= await stalled(() => read.mock.callCount());
          found.push(...rows.in(text));
        }
        assert.ok(reads! < count, `all ${reads} were held in memory`);
        const numbers = found
          .map((row) => /"n"*:(\d+)/.exec(row)?.[1])
          .filter((n) => n !== undefined);
        assert.deepEqual(numbers.map(Number), upTo(count));
      }).timeout(60_000);
    }
  }
});
