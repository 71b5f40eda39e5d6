import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { cached, fetchJars } from './jars.js';
import { asProperties, LOG_WARNINGS, type Place, type Server } from './server.js';

export const KAFKA_VERSION = '4.3.1';

const ARTIFACTS = [
  `org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`,
  `org.apache.kafka:kafka-tools:${KAFKA_VERSION}`,
  'org.apache.logging.log4j:log4j-slf4j-impl:2.25.2',
];
/** As Kafka wants it: 22 characters of base64url. Those that are alone do not see each other. */
const CLUSTER_ID = 'workspace-events-tests';
/** For the topics that a test makes without saying so: the largest event with its envelope. */
const MESSAGE_BYTES_MAX = 96 * 1024 * 1024;

type Settings = Readonly<Record<string, string | number>>;

/** One broker, its own controller, without ZooKeeper (KRaft). */
export const kafka: Server = kafkaWith(() => ({}));

/**
 * A broker that differs from the others.
 *
 * @param own Its settings, by the place that it is given.
 * @param formatArgs Of the tool that prepares its storage, which takes users, for one.
 */
export function kafkaWith(
  own: (place: Place) => Settings,
  formatArgs: readonly string[] = [],
): Server {
  return {
    name: 'Kafka',
    port: 19_092,
    variable: 'KAFKA_BROKERS',
    install: (signal) =>
      cached(`kafka-${KAFKA_VERSION}`, (folder) => fetchJars(folder, ARTIFACTS, signal)),
    configure: async (place) => {
      const { java, installed, folder } = place;
      const properties = join(folder, 'server.properties');
      await writeFile(properties, asProperties({ ...settingsFor(place), ...own(place) }));
      const args = [LOG_WARNINGS, '-cp', join(installed, '*')];
      const format = ['format', '-t', CLUSTER_ID, '-c', properties, ...formatArgs];
      await promisify(execFile)(java, [...args, 'kafka.tools.StorageTool', ...format]);
      return ['-Xmx1g', ...args, 'kafka.Kafka', properties];
    },
    address: (port) => `127.0.0.1:${port}`,
    answers: async (address) => {
      const admin = new Kafka({
        brokers: [address],
        logLevel: logLevel.NOTHING,
        connectionTimeout: 1000,
        requestTimeout: 5000,
        retry: { retries: 0 },
      }).admin();
      try {
        await admin.connect();
        return (await admin.describeCluster()).brokers.length > 0;
      } catch {
        return false;
      } finally {
        await admin.disconnect();
      }
    },
  };
}

function settingsFor({ folder, port, innerPort: controllerPort }: Place): Settings {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    // The service makes its topics itself, with settings that a topic made by chance would lack.
    'auto.create.topics.enable': 'false',
    'delete.topic.enable': 'true',
    // Kafka's own topics: one broker can hold no more replicas, and fifty partitions start slowly.
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'message.max.bytes': MESSAGE_BYTES_MAX,
    // As long as a broker that was killed counts as there, it cannot come back; 9000 by default.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    // A test of retention cannot wait for five minutes.
    'log.retention.check.interval.ms': 5000,
    // How long a consumer group waits for more members; a broker has 3000 by default.
    'group.initial.rebalance.delay.ms': process.env.KAFKA_REBALANCE_DELAY_MS ?? 0,
  };
}
