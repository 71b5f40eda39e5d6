import { createHash } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { Kafka, logLevel, type Consumer, type SASLOptions } from 'kafkajs';
import { logger } from '../logger.js';
import { pause } from '../pause.js';
import type { Shares } from './shares.js';

/**
 * Into how many shares the workspaces are divided: the partitions of a topic that nothing is ever
 * written to. They bound the number of nodes that project, and cost each of them next to nothing.
 */
const SHARES = 64;

/**
 * How soon a node that died without a word loses its shares; the least that a broker allows by
 * default is 6 s. A node that only paused goes on meanwhile, which does no harm.
 */
const SESSION_MS = 10_000;

/** By its heartbeat a member learns that another came or left; till then nobody has its shares. */
const HEARTBEAT_MS = 1_000;

/**
 * A fetch of nothing. The client sends its heartbeats between fetches only, and leaves only after
 * one: with a fetch as long as the session, members would expel each other for ever.
 */
const FETCH_MS = 500;

const RESTART_MS = 1_000;

export interface KafkaSharesOptions {
  /** `host:port` */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: ConnectionOptions;
  readonly sasl?: {
    readonly mechanism: SASLOptions['mechanism'];
    readonly username: string;
    readonly password: string;
  };
  /** Begins the names of the topic and of the consumer group. */
  readonly topicPrefix: string;
  readonly replicationFactor: number;
}

/**
 * Divides the workspaces among the nodes by a consumer group: each partition is a share, and a
 * workspace falls into one by its name. The group is on a topic of its own, so that a workspace
 * that comes or goes never has it rebalance, and a rebalance stops no node in its work: whoever
 * keeps a share goes on with it.
 */
export async function openKafkaShares(options: KafkaSharesOptions): Promise<Shares> {
  const { brokers, clientId, ssl, sasl } = options;
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl && { ssl }),
    // Its type has one member for each mechanism, of which all we have are alike.
    ...(sasl && { sasl: sasl as SASLOptions }),
    logLevel: logLevel.NOTHING,
  });
  const topic = `${options.topicPrefix}_shares`;
  const admin = kafka.admin();
  try {
    await admin.connect();
    const { replicationFactor } = options;
    // False where another node has made it.
    await admin.createTopics({
      topics: [{ topic, numPartitions: SHARES, replicationFactor }],
      waitForLeaders: true,
    });
  } finally {
    await admin.disconnect();
  }
  const shares = new KafkaShares(kafka, topic, `${options.topicPrefix}projection`);
  shares.join();
  return shares;
}

class KafkaShares implements Shares {
  readonly #kafka: Kafka;
  readonly #topic: string;
  readonly #groupId: string;
  readonly #listeners: (() => void)[] = [];
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #held: ReadonlySet<number> = new Set();

  constructor(kafka: Kafka, topic: string, groupId: string) {
    this.#kafka = kafka;
    this.#topic = topic;
    this.#groupId = groupId;
  }

  /** Takes part until it is closed; the shares come when the group has divided them. */
  join(): void {
    this.#running = this.#run();
  }

  has(workspace: string): boolean {
    return this.#held.has(shareOf(workspace));
  }

  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** A member of the group, and another one when that has failed, until the node stops. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const consumer = this.#kafka.consumer({
        groupId: this.#groupId,
        sessionTimeout: SESSION_MS,
        heartbeatInterval: HEARTBEAT_MS,
        maxWaitTimeInMs: FETCH_MS,
        // What it cannot mend by itself ends the member, and the loop makes the next.
        retry: { restartOnFailure: () => Promise.resolve(false) },
      });
      try {
        await this.#join(consumer, signal);
      } catch (error) {
        logger.error({ err: error }, 'left the consumer group of the projection, joining again');
        await pause(RESTART_MS, signal);
      } finally {
        await consumer.disconnect().catch(() => undefined);
      }
    }
  }

  /** Resolves when the node stops, and rejects when the member can go on no more. */
  async #join(consumer: Consumer, signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        reject(payload.error);
      });
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#take(payload.memberAssignment[this.#topic] ?? []);
    });
    await consumer.connect();
    await consumer.subscribe({ topic: this.#topic });
    await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
    await ended;
  }

  #take(held: readonly number[]): void {
    logger.info({ shares: held.length, of: SHARES }, 'the projection has been divided');
    this.#held = new Set(held);
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

/** Any node must come to the same. */
export function shareOf(workspace: string): number {
  return createHash('sha256').update(workspace).digest().readUInt32BE() % SHARES;
}
