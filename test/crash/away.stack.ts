import assert from 'node:assert/strict';
import { kill, start } from '../stack/servers.js';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { readLog } from '../support/log.js';
import { positionOf, Tailer, type Transport } from '../support/tailer.js';
import { until } from '../until.js';
import { Cluster } from './cluster.js';
import { WORKSPACE } from './producer.js';
import { assertDelivered, assertHistorized } from './promises.js';

const WAIT_SECONDS = 2;
/** What a node may take beyond its wait, on a machine that is busy. */
const MARGIN_MS = 1000;

/** Several times the wait. */
const AWAY_MS = 8000;
/** For an emit that waits for nothing. */
const PROMPT_MS_MAX = 1000;

const EVENT = { type: 'crash.endured', payload: {} };

describe('two nodes, while a server is away', function () {
  this.timeout(120_000);
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start(Math.random, { KAFKA_WAIT_SECONDS: String(WAIT_SECONDS) });
  });
  after(() => cluster.dispose());

  const urls = (): string[] => cluster.nodes.map(({ url }) => url);

  /** Emits at every node, and resolves when every subscriber has it. */
  async function assertFlows(): Promise<void> {
    for (const url of urls()) {
      const { status, body } = await emit(url, WORKSPACE, [EVENT]);
      assert.equal(status, 201, JSON.stringify(body));
      const position = positionOf(body.results[0].position as string);
      await until('every subscriber has it', () =>
        cluster.tailers.every(({ received }) => received.at(-1)?.position === position),
      );
    }
  }

  const connections = (...transports: readonly Transport[]): number[] =>
    cluster.tailers
      .filter(({ wish }) => transports.includes(wish.transport))
      .map((tailer) => tailer.connections);

  it('refuses emits in time while Kafka is away, and works again without a restart', async () => {
    await assertFlows();
    const before = connections('ws', 'sse');
    await kill('kafka');
    const end = performance.now() + AWAY_MS;
    do {
      await Promise.all(urls().flatMap((url) => [assertRefuses(url), assertUnready(url)]));
    } while (performance.now() < end);
    await start('kafka');

    const began = performance.now();
    await Promise.all(
      urls().map((url) =>
        until('it takes emits again', async () => {
          const { status } = await emit(url, WORKSPACE, [EVENT]);
          return status === 201;
        }),
      ),
    );
    const emitMs = performance.now() - began;
    await assertFlows();
    const deliveryMs = performance.now() - began;
    assert.deepEqual(connections('ws', 'sse'), before, 'a tail has not gone on by itself');
    const log = await readLog(cluster.url, WORKSPACE);
    await assertDelivered(cluster, log);
    await assertHistorized(cluster, log);
    tell('Kafka is back', { emitMs, deliveryMs, historyMs: performance.now() - began });
  });

  it('emits and delivers while Elasticsearch is away, and history catches up', async () => {
    await assertFlows();
    const before = connections('ws', 'sse', 'poll');
    await kill('elasticsearch');
    const end = performance.now() + AWAY_MS;
    do {
      const began = performance.now();
      await assertFlows();
      assert.ok(performance.now() - began < PROMPT_MS_MAX);
      for (const url of urls()) {
        assertUnavailable(await request(eventsUrl(url, WORKSPACE)));
        await assertUnready(url);
      }
    } while (performance.now() < end);
    // The log has what a subscriber wants that comes only now.
    const late = new Tailer(() => cluster.url, {
      transport: 'sse',
      workspace: WORKSPACE,
      filter: {},
      from: 'start',
    });
    late.connect();
    const [{ received }] = cluster.tailers as [Tailer];
    await until('it has all', () => late.received.length === received.length);
    late.drop();
    assert.deepEqual(connections('ws', 'sse', 'poll'), before);
    await start('elasticsearch');

    const began = performance.now();
    await Promise.all(
      urls().map((url) => until('it is ready', async () => (await readiness(url)).status === 200)),
    );
    const readyMs = performance.now() - began;
    const log = await readLog(cluster.url, WORKSPACE);
    await assertHistorized(cluster, log);
    tell('Elasticsearch is back', { readyMs, historyMs: performance.now() - began });
    await assertDelivered(cluster, log);
  });
});

/** Every way of emitting is told in time that it cannot be done, and when to try again. */
async function assertRefuses(url: string): Promise<void> {
  const began = performance.now();
  const socket = await Socket.open(url, WORKSPACE);
  const [batch, lines, frame] = await Promise.all([
    emit(url, WORKSPACE, [EVENT]),
    request(eventsUrl(url, WORKSPACE), {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: JSON.stringify(EVENT),
    }),
    socket.ask({ op: 'emit', events: [EVENT] }),
  ]);
  await socket.close();
  const tookMs = performance.now() - began;
  assertUnavailable(batch);
  assertUnavailable(lines);
  assert.equal(frame.code, 'unavailable');
  assert.ok(tookMs < 1000 * WAIT_SECONDS + MARGIN_MS, `answered after ${tookMs} ms`);
}

async function assertUnready(url: string): Promise<void> {
  const began = performance.now();
  assertUnavailable(await readiness(url));
  const tookMs = performance.now() - began;
  assert.ok(tookMs < 1000 * WAIT_SECONDS + MARGIN_MS, `answered after ${tookMs} ms`);
  // To start it again would help nobody.
  assert.equal((await request(`${url}/sys/healthcheck`)).status, 200);
}

function assertUnavailable({ status, headers, body }: Reply): void {
  assert.equal(status, 503, JSON.stringify(body));
  assert.ok(Number(headers.get('Retry-After')) > 0);
}

function readiness(url: string): Promise<Reply> {
  return request(`${url}/sys/readiness`);
}

function tell(what: string, afterMs: Readonly<Record<string, number>>): void {
  const told = Object.entries(afterMs).map(([name, ms]) => `${name} ${Math.round(ms)}`);
  process.stdout.write(`    ${what}: ${told.join(', ')}\n`);
}
