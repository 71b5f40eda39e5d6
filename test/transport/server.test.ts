import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket, sse } from '../support/client.js';
import { spawnNode, startNode, temporaryFolder } from '../support/node.js';
import { open, responses } from '../support/raw.js';
import { until } from '../until.js';

const APP = 'http://app.example';

describe('A node that is told to stop', () => {
  it('sends everybody away to come back elsewhere, and ends without an error', async () => {
    const folder = await temporaryFolder();
    const node = await spawnNode({ DATA_DIR: folder.path, DRAIN_SECONDS: '5' });
    const { body } = await emit(node.url, 'w', [{ type: 'a', payload: {} }]);
    const cursor = body.results[0].position as string;

    const sockets = await Promise.all(Array.from({ length: 20 }, () => Socket.open(node.url, 'w')));
    const streamed: string[] = [];
    const streaming = (async () => {
      for await (const { event } of sse(eventsUrl(node.url, 'w'))) {
        streamed.push(event);
      }
    })();
    await until('the stream is open', () => streamed.includes('caught-up'));
    const polling = request(eventsUrl(node.url, 'w', { after: cursor, wait: '30' }));
    await until('the poll waits', async () => {
      const metrics = (await request(`${node.url}/metrics`)).body as string;
      return metrics.includes('subscribers{transport="poll"} 1');
    });
    // A request that has begun before keeps its connection; a new one would find nobody.
    const probe = open(node.url);
    let answer = Buffer.alloc(0);
    probe.on('data', (part) => {
      answer = Buffer.concat([answer, part]);
    });
    probe.write('GET /sys/readiness HTTP/1.1\r\nHost: localhost\r\n');
    await request(`${node.url}/sys/healthcheck`);

    const ending = node.end('SIGTERM');
    await until('all are closed', () => sockets.every(({ closed }) => closed !== undefined));
    assert.deepEqual(new Set(sockets.map(({ closed }) => closed)), new Set([4503]));
    await streaming;
    const { status, body: page } = await polling;
    assert.deepEqual([status, page.events, page.cursor], [200, [], cursor]);

    probe.write('\r\n');
    const [readiness] = await until('it is answered', () => answer.length > 0 && responses(answer));
    assert.equal(readiness?.status, 503);
    assert.equal(JSON.parse(readiness.body).code, 'unavailable');
    probe.destroy();
    assert.equal(await ending, 0);
    await folder.remove();
  }).timeout(30_000);
});

describe('The server', () => {
  it('tells browsers which pages may read its answers: those of the origins allowed', async () => {
    const node = await startNode({ corsOrigins: [APP] });
    const allowed = async (Origin: string): Promise<string | null> => {
      const { headers } = await request(`${node.url}/sys/healthcheck`, { headers: { Origin } });
      assert.equal(headers.get('Vary'), 'Origin');
      return headers.get('Access-Control-Allow-Origin');
    };
    assert.equal(await allowed(APP), APP);
    assert.equal(await allowed('http://evil.example'), null);
    assert.equal(await allowed(`${APP}:8080`), null);
    await node.stop();
  });

  it('tells browsers before a request whether it may be made, and what they may read', async () => {
    const node = await startNode({ corsOrigins: [APP] });
    const preflight = async (Origin: string): Promise<Headers> => {
      const response = await fetch(eventsUrl(node.url, 'w'), {
        method: 'OPTIONS',
        headers: {
          Origin,
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'content-type,x-user-id',
        },
      });
      return response.headers;
    };
    const headers = await preflight(APP);
    assert.equal(headers.get('Access-Control-Allow-Origin'), APP);
    assert.match(headers.get('Access-Control-Allow-Methods') ?? '', /POST/);
    assert.equal(headers.get('Access-Control-Allow-Headers'), 'content-type,x-user-id');
    assert.equal((await preflight('http://evil.example')).get('Access-Control-Allow-Origin'), null);

    const answer = await request(`${node.url}/v2/workspaces/none`, { headers: { Origin: APP } });
    assert.equal(answer.status, 404);
    assert.equal(answer.headers.get('Access-Control-Allow-Origin'), APP, 'also of a refusal');
    const exposed = answer.headers.get('Access-Control-Expose-Headers') ?? '';
    assert.deepEqual(exposed.split(','), [
      'X-Correlation-Id',
      'Retry-After',
      'WWW-Authenticate',
      'Projection-Lag-Events',
    ]);
    await node.stop();
  });

  it('tells browsers that an answer is data: no page, no script, in nobody’s frame', async () => {
    const node = await startNode();
    const answers = [
      await request(`${node.url}/sys/healthcheck`),
      await request(`${node.url}/nothing`),
      await emit(node.url, 'w', [{ type: 'a', payload: {} }]),
    ];
    const stream = await fetch(eventsUrl(node.url, 'w'), {
      headers: { Accept: 'text/event-stream' },
    });
    for (const { headers } of [...answers, stream]) {
      const csp = "default-src 'none';frame-ancestors 'none'";
      assert.equal(headers.get('Content-Security-Policy'), csp);
      assert.equal(headers.get('X-Content-Type-Options'), 'nosniff');
      assert.equal(headers.get('X-Frame-Options'), 'SAMEORIGIN');
      assert.equal(headers.get('Referrer-Policy'), 'no-referrer');
      assert.match(headers.get('Strict-Transport-Security') ?? '', /max-age=\d{7,}/);
      assert.equal(headers.get('X-Powered-By'), null);
    }
    await stream.body?.cancel();
    await node.stop();
  });

  it('allows no page where no origin is', async () => {
    const node = await startNode();
    const { headers } = await request(`${node.url}/sys/healthcheck`, { headers: { Origin: APP } });
    assert.equal(headers.get('Access-Control-Allow-Origin'), null);
    await node.stop();
  });

  it('listens on this machine alone as long as it cannot tell who calls', async () => {
    await assert.rejects(startNode({ host: '0.0.0.0' }), /must be a loopback address/);
  });

  it('tells a port that is taken', async () => {
    const node = await startNode();
    const port = Number(new URL(node.url).port);
    await assert.rejects(startNode({ port }), /EADDRINUSE/);
    await node.stop();
  });

  it('listens on an address of IPv6 too', async () => {
    const node = await startNode({ host: '::1' });
    assert.match(node.url, /^http:\/\/\[::1\]:\d+$/);
    assert.equal((await request(`${node.url}/sys/healthcheck`)).status, 200);
    await node.stop();
  });
});
