import assert from 'node:assert/strict';
import { kill, start, type Name } from '../stack/servers.js';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { readLog } from '../support/log.js';
import { positionOf, Tailer, type Transport } from '../support/tailer.js';
import { until } from '../until.js';
import { Cluster } from './cluster.js';
import { WORKSPACE } from './producer.js';
import { assertDelivered, assertHistorized } from './promises.js';

const WAIT_SECONDS = 4;

/** What an answer that waits for nothing may take, on a machine that is busy. */
const PROMPT_MS_MAX = 3000;
const WAIT_MS_MAX = 1000 * WAIT_SECONDS + PROMPT_MS_MAX;

/** Several times the wait. */
const AWAY_MS = 10_000;

const EVENT = { type: 'crash.endured', payload: {} };

describe('two nodes, while a server is away', function () {
  this.timeout(240_000);
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
        cluster.tailers.every((tailer) => tailer.position >= position),
      );
    }
  }

  /** The log has what a subscriber wants that comes only now. */
  async function assertServesNewcomer(): Promise<void> {
    const [{ wish, received }] = cluster.tailers as [Tailer];
    const newcomer = new Tailer(() => cluster.url, wish);
    newcomer.connect();
    await until('it has all', () => newcomer.received.length === received.length);
    newcomer.drop();
    assert.deepEqual(newcomer.complaints, []);
  }

  const connections = (...transports: readonly Transport[]): number[] =>
    cluster.tailers
      .filter(({ wish }) => transports.includes(wish.transport))
      .map((tailer) => tailer.connections);

  it('refuses emits in time while Kafka is away, and works again without a restart', async () => {
    await assertFlows();
    const before = connections('ws', 'sse');
    await whileAway('kafka', async () => {
      for (const url of urls()) {
        await within(WAIT_MS_MAX, () => Promise.all([assertRefuses(url), assertUnready(url)]));
      }
    });

    const began = performance.now();
    await Promise.all(
      urls().map((url) =>
        until(
          'it takes emits again',
          async () => {
            const { status } = await emit(url, WORKSPACE, [EVENT]);
            return status === 201;
          },
          60_000,
        ),
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
    await whileAway('elasticsearch', async () => {
      await within(PROMPT_MS_MAX, assertFlows);
      for (const url of urls()) {
        await within(PROMPT_MS_MAX, async () => {
          assertUnavailable(await request(eventsUrl(url, WORKSPACE)));
        });
        await within(PROMPT_MS_MAX, () => assertUnready(url));
      }
      await assertServesNewcomer();
    });
    assert.deepEqual(connections('ws', 'sse', 'poll'), before);

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

/** Kills a server, checks again and again what holds without it, and starts it again. */
async function whileAway(name: Name, check: () => Promise<void>): Promise<void> {
  await kill(name);
  try {
    const end = performance.now() + AWAY_MS;
    do {
      await check();
    } while (performance.now() < end);
  } finally {
    await start(name);
  }
}

async function within(msMax: number, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  const tookMs = performance.now() - began;
  assert.ok(tookMs < msMax, `answered after ${tookMs} ms`);
}

/** Every way of emitting is told that it cannot be done, and when to try again. */
async function assertRefuses(url: string): Promise<void> {
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
  assertUnavailable(batch);
  assertUnavailable(lines);
  assert.equal(frame.code, 'unavailable');
}

async function assertUnready(url: string): Promise<void> {
  assertUnavailable(await readiness(url));
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
