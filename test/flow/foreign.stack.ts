import assert from 'node:assert/strict';
import { Kafka, logLevel } from 'kafkajs';
import { SYSTEM_WORKSPACE } from '../../src/policy.js';
import { emit, eventsUrl, request, sse } from '../support/client.js';
import { exportAll } from '../support/log.js';
import { Cluster } from './cluster.js';

const WORKSPACE = 'foreign';

describe('logs whose last record is another client’s, and no event', function () {
  this.timeout(60_000);

  let cluster: Cluster;

  before(async () => {
    cluster = new Cluster();
    const { url } = await cluster.spawn();
    const events = ['a', 'b'].map((id) => ({ id, type: 'step.taken', payload: {} }));
    assert.equal((await emit(url, WORKSPACE, events)).status, 201);
    await writeNoise(cluster, WORKSPACE);
    await writeNoise(cluster, SYSTEM_WORKSPACE);
  });

  after(() => cluster.stop());

  it('hold up no node that starts, and no client', async () => {
    const { url } = await cluster.spawn();
    const put = await request(`${url}/v2/workspaces/another`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    });
    assert.equal(put.status, 201, JSON.stringify(put.body));

    const exported = await exportAll(url, WORKSPACE);
    assert.deepEqual(
      exported.map(({ id }) => id),
      ['a', 'b'],
    );
    const polled = await request(eventsUrl(url, WORKSPACE, { from: 'start', wait: '1' }));
    assert.deepEqual([polled.body.events.length, polled.body.caughtUp], [2, true]);
    for await (const { event } of sse(eventsUrl(url, WORKSPACE, { from: 'now' }))) {
      if (event === 'caught-up') {
        break;
      }
    }
  });
});

/** Writes what is passed over: a record that is no event, and the marker of its transaction. */
async function writeNoise({ settings }: Cluster, workspace: string): Promise<void> {
  const { KAFKA_BROKERS = '', KAFKA_TOPIC_PREFIX = '' } = settings;
  const topic = KAFKA_TOPIC_PREFIX + workspace;
  const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    transactionalId: topic,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  try {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'no event' }] });
    await transaction.commit();
  } finally {
    await producer.disconnect();
  }
}
