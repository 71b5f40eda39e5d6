import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket as RawSocket } from 'node:net';
import { DRAFT, emits, EVENTS, JSON_TYPE, LINES_TYPE, TARGET } from './hardening/attack.js';
import { emit, eventsUrl, request as ask, Socket, sse } from './support/client.js';
import { frame, TEXT } from './support/frame.js';
import { spawnNode, startNode, temporaryFolder, type TestNode } from './support/node.js';
import { exchange, open, request } from './support/raw.js';
import { until } from './until.js';

const HEALTH = request('GET', '/sys/healthcheck', { Connection: 'keep-alive' });

describe('A hostile client', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
    await emit(node.url, TARGET, [{ type: 'a', payload: {} }]);
  });
  after(async () => {
    await node.stop();
  });

  const recorded = async (): Promise<number> => (await node.service.log.bounds(TARGET)).next;

  it('that sends garbage behind a request is answered first, then refused', async () => {
    const answers = await exchange(
      node.url,
      Buffer.concat([HEALTH, Buffer.from('GARBAGE\r\n\r\n')]),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 400],
    );
    assert.equal(JSON.parse(answers[1]!.body).code, 'invalid-request');
  });

  it('that sends garbage into a stream of events is cut off, and nothing gets in', async () => {
    const socket = open(node.url);
    let received = '';
    socket.on('data', (part) => {
      received += part.toString();
    });
    socket.write(request('GET', EVENTS, { Accept: 'text/event-stream', Connection: 'keep-alive' }));
    await until('the stream is open', () => received.includes('caught-up'));
    socket.write('GARBAGE\r\n\r\n');
    await once(socket, 'close');
    assert.doesNotMatch(received, /HTTP\/1\.1 400/);
  });

  it('that breaks off in the middle of a line has emitted the lines before', async () => {
    const before = await recorded();
    const socket = open(node.url);
    const lines = `${DRAFT}\n`.repeat(700) + DRAFT.slice(0, 10);
    socket.write(emits(lines, { ...LINES_TYPE, 'Content-Length': '1000000' }));
    await until('the lines are in', async () => (await recorded()) >= before + 700);
    socket.destroy();
    assert.equal(await recorded(), before + 700);
  });

  it('that sends a thousand messages in one packet is answered one by one, in order', async () => {
    const socket = await Socket.open(node.url, TARGET);
    const messages = Array.from({ length: 1000 }, (_, id) => {
      return frame(TEXT, JSON.stringify({ op: 'unsubscribe', id, subscription: 's1' }));
    });
    rawSocketOf(socket).write(Buffer.concat(messages));
    await until('all are answered', () => socket.frames.length === 1000);
    assert.deepEqual(
      socket.frames.map(({ id, code }) => [id as number, code as string]),
      Array.from({ length: 1000 }, (_, id) => [id, 'subscription-not-found']),
    );
    await socket.close();
  });

  it('that vanishes in the middle of its subscriptions leaves none behind', async () => {
    const socket = await Socket.open(node.url, 'vanishing');
    for (const from of ['start', 'now', { last: 10 }]) {
      await socket.ask({ op: 'subscribe', from });
    }
    const live = async (): Promise<number> => {
      const { body } = await ask(`${node.url}/sys/subscriptions`);
      const tails = body.tails as { workspace: string; live: number }[];
      return tails.find(({ workspace }) => workspace === 'vanishing')?.live ?? 0;
    };
    await until('all are live', async () => (await live()) === 3);
    rawSocketOf(socket).resetAndDestroy();
    await until('none is live', async () => (await live()) === 0);
    assert.equal(socket.frames.filter(({ op }) => op === 'ended').length, 0);
  });

  it('cannot break out of a Server-Sent Event by what it sends', async () => {
    const payload = { text: 'a\n\nevent: error\r\ndata: {"code":"forged"}\n\n\u2028\u2029\u0085' };
    const stopping = new AbortController();
    const messages = sse(eventsUrl(node.url, 'sse'), { signal: stopping.signal });
    for await (const { event, data } of messages) {
      if (event === 'caught-up') {
        await emit(node.url, 'sse', [{ type: 'a', payload }]);
      }
      if (event === 'message') {
        assert.deepEqual(data.event.payload, payload);
        break;
      }
      assert.notEqual(event, 'error');
    }
    stopping.abort();
  });

  it('pollutes no prototype, and its keys are recorded as it sent them', async () => {
    const payload =
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},' +
      '"toString":"x","hasOwnProperty":null,"":{"":0}}';
    const config = '{"redact":["payload.__proto__.gone","payload.constructor.gone"]}';
    const url = `${node.url}/v2/workspaces/proto`;
    const body = `{"id":"p1","type":"a","payload":${payload}}`;
    await ask(url, { method: 'PUT', headers: JSON_TYPE, body: config });
    await ask(`${url}/events`, { method: 'POST', headers: JSON_TYPE, body });
    const found = await until('it is searchable', async () => {
      const response = await fetch(`${url}/events?payload.__proto__.polluted=true`);
      const text = await response.text();
      return text.includes('p1') && text;
    });
    assert.ok(found.includes(`"payload":${payload}`), found);
    for (const prototype of [Object.prototype, Array.prototype, Function.prototype]) {
      assert.ok(!('polluted' in prototype));
    }
  });
});

describe('The log of requests', () => {
  it('has one line of JSON for each, whatever a client puts into it', async () => {
    const folder = await temporaryFolder();
    const node = await spawnNode({ DATA_DIR: folder.path, LOG_LEVEL: 'info' });
    const evil = '"},{"level":"fatal","msg":"forged"}';
    try {
      const attacks = [
        emits(DRAFT, { ...JSON_TYPE, 'X-Correlation-Id': evil }),
        emits(DRAFT, { ...JSON_TYPE, 'X-User-Id': evil }),
        emits(DRAFT, { ...JSON_TYPE, 'X-User-Id': 'a\u0085b' }),
        request('GET', `/v2/workspaces/w%0a${encodeURIComponent(evil)}/events`),
        request('GET', `/${encodeURIComponent(evil)}%0d%0a`),
        Buffer.from('GARBAGE\r\n\r\n'),
      ];
      for (const attack of attacks) {
        await exchange(node.url, attack);
      }
      const lines = await until('all are logged', () => {
        const found = node
          .output()
          .split('\n')
          .filter((line) => line.includes('request'));
        return found.length >= attacks.length && found;
      });
      assert.equal(lines.length, attacks.length);
      for (const line of lines) {
        const entry = JSON.parse(line) as Record<string, unknown>;
        assert.equal(entry.level, 'info');
        assert.match(entry.correlationId as string, /^[\w.:-]{1,128}$/);
      }
      assert.equal(JSON.parse(lines[1]!).userId, evil);
    } finally {
      await node.end();
      await folder.remove();
    }
  });
});

/** The connection below a WebSocket, past all that its client would not do. */
function rawSocketOf({ ws }: Socket): RawSocket {
  return (ws as unknown as { _socket: RawSocket })._socket;
}
