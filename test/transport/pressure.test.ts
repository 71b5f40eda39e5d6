import assert from 'node:assert/strict';
import { ServerResponse } from 'node:http';
import { mock } from 'node:test';
import { FrameSocket } from '../../src/transport/framesocket.js';
import { emit, request, Socket } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { open, request as rawRequest } from '../support/raw.js';
import { until } from '../until.js';

/** More than all the buffers on the way hold, those of the system among them. */
const ANSWER_BYTES = 40_000_000;

const LINES = 'application/x-ndjson';

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

  for (const type of ['text/event-stream', LINES]) {
    it(`gets ${type} no faster than it reads, and whole`, async () => {
      const lines = upTo(ANSWER_BYTES / 500_000);
      const text = 'x'.repeat(500_000);
      const workspace = type.replaceAll(/\W/g, '-');
      for (const n of lines) {
        await emit(node.url, workspace, [{ type: 'n', payload: { n, text } }]);
      }
      const written = mock.method(ServerResponse.prototype, 'write');
      const client = open(node.url);
      client.pause();
      const target = `/v2/workspaces/${workspace}/events?${type === LINES ? '' : 'from=start'}`;
      client.write(rawRequest('GET', target, { Accept: type }));
      const count = await stalled(() => written.mock.callCount());
      assert.ok(count < lines.length, `all ${count} were held in memory`);
      let received = '';
      client.on('data', (part) => {
        received += part.toString('latin1');
      });
      client.resume();
      const last = `"n":${lines.length - 1},"text":"${text}"`;
      await until('all have come', () => received.includes(last));
      const found = [...received.matchAll(/"payload":\{"n":(\d+)/g)].map(([, n]) => Number(n));
      assert.deepEqual(found, lines);
      client.destroy();
    }).timeout(60_000);
  }
});
