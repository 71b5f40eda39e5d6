import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { administer } from '../stack/admin.js';
import { startBrokers } from '../stack/brokers.js';
import type { Alone } from '../stack/stack.js';
import { readLog, type Logged } from '../support/log.js';
import { random, seed } from '../support/random.js';
import { moment, until } from '../until.js';
import { Cluster } from './cluster.js';
import { WORKSPACE } from './producer.js';
import {
  assertDelivered,
  assertHistorized,
  assertKept,
  assertNotTruncated,
  assertOrdered,
} from './promises.js';
import { Recovery } from './recovery.js';

const KILLS = 4;
const LIFE_MS_MAX = 3000;

/** What a node has by itself, for a cluster that may lose a broker. */
const REPLICATED = { KAFKA_REPLICATION_FACTOR: '3', KAFKA_MIN_INSYNC_REPLICAS: '2' };

describe('two nodes under load, while the broker that leads the log is killed', function () {
  this.timeout(600_000);
  const number = seed();
  const draw = random(number);
  let brokers: readonly Alone[];
  let cluster: Cluster;
  let log: Logged[];

  /** Who leads the log of the workspace, and who has all of it; nothing while nobody leads it. */
  const partition = async (): Promise<{ leader: number; isr: number[] } | undefined> => {
    const { KAFKA_BROKERS = '', KAFKA_TOPIC_PREFIX = '' } = cluster.settings;
    const topics = [`${KAFKA_TOPIC_PREFIX}${WORKSPACE}`];
    try {
      const { topics: found } = await administer(KAFKA_BROKERS, (admin) =>
        admin.fetchTopicMetadata({ topics }),
      );
      return found[0]?.partitions[0];
    } catch (error) {
      if (error instanceof kafkajs.KafkaJSProtocolError) {
        return undefined;
      }
      throw error;
    }
  };

  before(async () => {
    brokers = await startBrokers();
    const addresses = brokers.map(({ address }) => address).join(',');
    cluster = await Cluster.start(draw, { ...REPLICATED, KAFKA_BROKERS: addresses });
    cluster.produce();
    const recovery = new Recovery();
    for (let killed = 0; killed < KILLS; killed++) {
      const isWhole = async (): Promise<boolean> =>
        (await partition())?.isr.length === brokers.length;
      await until('every broker has all of it', isWhole, 60_000);
      await moment(LIFE_MS_MAX * draw());
      const { leader } = await until('a broker leads', partition);
      const victim = brokers[leader - 1]!;
      await victim.kill();
      const isElected = async (): Promise<boolean> => {
        const now = (await partition())?.leader ?? -1;
        return now !== leader && now !== -1;
      };
      const election = until('another broker leads', isElected, 60_000).then(() => undefined);
      await recovery.measure(cluster, election, cluster, new AbortController().signal);
      await election;
      await victim.start();
    }
    await cluster.stopProducing();
    log = await readLog(cluster.url, WORKSPACE);
    const refused = cluster.producers.reduce((sum, { unavailable }) => sum + unavailable, 0);
    const told = `the leader killed ${KILLS} times, SEED=${number}: ${recovery.summary()}`;
    process.stdout.write(`    ${told}; ${refused} calls were told to come again\n`);
  });
  after(async () => {
    try {
      await cluster.dispose();
    } finally {
      await Promise.all(brokers.map((broker) => broker.stop()));
    }
  });

  it('has every event that was acknowledged, at its position and in order', () => {
    for (const producer of cluster.producers) {
      assertKept(producer, log, true);
      assertOrdered(producer, log);
    }
  });

  it('gives subscribers every event once, without cutting them off', async () => {
    await assertDelivered(cluster, log);
    for (const { wish, connections } of cluster.tailers) {
      assert.ok(wish.transport === 'poll' || connections === 1, `${wish.transport} was cut off`);
    }
  });

  it('has historized every event once', async () => {
    await assertHistorized(cluster, log);
  });

  it('takes nothing for lost', async () => {
    await assertNotTruncated(cluster);
  });
});
