import type { Admin } from 'kafkajs';
import { readConfig, type Config } from '../../src/config.js';
import { removeIndices } from '../projections/elastic.js';
import { administer, removeTopics } from '../stack/admin.js';
import { clusterSettings } from '../stack/service.js';
import { spawnNode, startNode, type NodeProcess, type TestNode } from '../support/node.js';

/** Nodes that share a log and a history, which no other test has. */
export class Cluster {
  readonly settings: Readonly<Record<string, string>>;
  readonly #stops: (() => Promise<unknown>)[] = [];

  /** @param settings Other than those of the servers that all tests share. */
  constructor(settings: Record<string, string> = {}) {
    this.settings = { ...clusterSettings(), ...settings };
  }

  /** A node in a process of its own. */
  async spawn(env: Record<string, string> = {}): Promise<NodeProcess> {
    const node = await spawnNode({ ...this.settings, ...env });
    this.#stops.push(async () => {
      // Some tests end it themselves.
      if (node.process.exitCode === null && node.process.signalCode === null) {
        await node.end();
      }
    });
    return node;
  }

  /** A node in this process, where a test can reach into it. */
  async start(config: Partial<Config> = {}): Promise<TestNode> {
    const node = await startNode({ ...readConfig({ ...this.settings, PORT: '0' }), ...config });
    this.#stops.push(() => node.stop());
    return node;
  }

  /** Asks Kafka about the topic of a workspace, or changes it. */
  topic<T>(workspace: string, work: (admin: Admin, topic: string) => Promise<T>): Promise<T> {
    const { KAFKA_BROKERS = '', KAFKA_TOPIC_PREFIX = '' } = this.settings;
    return administer(KAFKA_BROKERS, (admin) => work(admin, KAFKA_TOPIC_PREFIX + workspace));
  }

  /** Stops the nodes, and removes what they leave behind. */
  async stop(): Promise<void> {
    await Promise.all(this.#stops.splice(0).map((stop) => stop()));
    const { KAFKA_BROKERS = '', KAFKA_TOPIC_PREFIX = '' } = this.settings;
    await removeTopics(KAFKA_BROKERS, KAFKA_TOPIC_PREFIX);
    await removeIndices(this.settings.ELASTICSEARCH_INDEX_PREFIX ?? '');
  }
}
