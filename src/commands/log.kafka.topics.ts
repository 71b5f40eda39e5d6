import assert from 'node:assert/strict';
import {
  ConfigResourceTypes,
  createTopicsV7,
  deleteRecordsV2,
  deleteTopicsV6,
  IncrementalAlterConfigOperationTypes,
  incrementalAlterConfigsV1,
} from '@platformatic/kafka';
import { ServiceError } from '../errors.js';
import { pause } from '../pause.js';
import type { Retention } from '../retention.js';
import type { Cluster, Topic } from './log.kafka.cluster.js';
import { refusalOf, unavailable } from './log.kafka.patience.js';

const MIB = 1024 * 1024;

/**
 * An append is one record batch, because Kafka writes a batch whole or not at all: so a batch may
 * be as large as the largest append. The rest is for keys and headers. In all it stays below what a
 * broker takes at once (`socket.request.max.bytes`, 100 MiB).
 */
export const APPEND_BYTES_MAX = 64 * MIB;
const BATCH_BYTES_MAX = APPEND_BYTES_MAX + 16 * MIB;

/**
 * Kafka forgets whole segments, and never the one that is written to. So they are small beside what
 * is to be kept, if a batch fits in, and not so small that a broker has too many files open.
 */
const SEGMENT_BYTES_MAX = 1024 * MIB;
const SEGMENTS_KEPT = 4;
const SEGMENT_MS_MIN = 600_000;
const SEGMENT_MS_MAX = 604_800_000;

/** A broker learns of a new topic some ms after another has answered its creation, or later. */
const SPREAD_MS = 100;

/**
 * Kafka refuses a topic whose name differs from that of another one in `.` and `_` alone. Workspace
 * ids have no `.`, so that theirs never do.
 */
const WORKSPACE = /^[A-Za-z0-9_-]+$/;

export interface TopicsOptions {
  readonly topicPrefix: string;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  /** How long the controller may take. */
  readonly waitMs: number;
}

/** The topics of the workspaces: found, made and deleted. */
export class Topics {
  readonly #cluster: Cluster;
  readonly #options: TopicsOptions;

  constructor(cluster: Cluster, options: TopicsOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  nameOf(workspace: string): string {
    assert.match(workspace, WORKSPACE);
    return this.#options.topicPrefix + workspace;
  }

  /** @throws ServiceError `workspace-not-found` */
  async require(workspace: string): Promise<Topic> {
    const topic = await this.#find(workspace);
    if (!topic) {
      throw notFound(workspace);
    }
    return topic;
  }

  /**
   * By its name of now: what a node remembers may have been deleted and made again by another.
   *
   * @throws ServiceError `workspace-not-found`, also where the topic is of another epoch.
   */
  async requireOf(workspace: string, epoch: string): Promise<Topic> {
    this.forget(workspace);
    const topic = await this.require(workspace);
    if (epochOf(topic) !== epoch) {
      throw notFound(workspace);
    }
    return topic;
  }

  /** Has the next `require` ask. */
  forget(workspace: string): void {
    this.#cluster.forget(this.nameOf(workspace));
  }

  /** Without effect where there is one. */
  async create(workspace: string, retention: Retention): Promise<void> {
    const { replicationFactor, minInsyncReplicas, waitMs } = this.#options;
    const name = this.nameOf(workspace);
    const configs = configsOf({
      'cleanup.policy': 'delete',
      // A broker may be set to compress anew what it gets, in a way that Node cannot read.
      'compression.type': 'producer',
      'max.message.bytes': BATCH_BYTES_MAX,
      'message.timestamp.type': 'CreateTime',
      'min.insync.replicas': minInsyncReplicas,
      ...settingsOf(retention),
    });
    const made = { name, numPartitions: 1, replicationFactor, assignments: [], configs };
    let id: string | undefined;
    try {
      const answer = await this.#cluster.ask(createTopicsV7.api, [made], waitMs, false);
      id = answer.topics[0]!.topicId;
    } catch (error) {
      if (refusalOf(error) === 'INVALID_REPLICATION_FACTOR') {
        const wanted = String(replicationFactor);
        throw unavailable(`KAFKA_REPLICATION_FACTOR is ${wanted}, for which brokers are missing`);
      }
      // Another node may have been faster, and this one ask for it before it is known.
      if (refusalOf(error) !== 'TOPIC_ALREADY_EXISTS') {
        throw error;
      }
    }
    await this.#spread(workspace, id);
  }

  /** @throws As `requireOf`. */
  async retain(workspace: string, epoch: string, retention: Retention): Promise<void> {
    const { name } = await this.requireOf(workspace, epoch);
    const configs = configsOf(settingsOf(retention)).map((config) => ({
      ...config,
      configOperation: IncrementalAlterConfigOperationTypes.SET,
    }));
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configs };
    await this.#cluster.ask(incrementalAlterConfigsV1.api, [resource], false);
  }

  /** As `retain`. */
  async trim(workspace: string, epoch: string, before: number): Promise<void> {
    const { name, leader } = await this.requireOf(workspace, epoch);
    const partitions = [{ partitionIndex: 0, offset: BigInt(before) }];
    await this.#cluster
      .link(leader, 'ask')
      .call(deleteRecordsV2.api, [{ name, partitions }], this.#options.waitMs);
  }

  /**
   * By id, so that a topic of the same name that was made meanwhile is never hit.
   */
  async drop(workspace: string, epoch: string): Promise<void> {
    this.forget(workspace);
    const topic = await this.#find(workspace);
    if (!topic || epochOf(topic) !== epoch) {
      return;
    }
    try {
      // The protocol has no name where there is an id; the library's type does not know that.
      const named = { name: null as unknown as string, topicId: topic.id };
      await this.#cluster.ask(deleteTopicsV6.api, [named], this.#options.waitMs);
    } catch (error) {
      if (refusalOf(error) !== 'UNKNOWN_TOPIC_ID') {
        throw error;
      }
    } finally {
      this.forget(workspace);
    }
  }

  /** Asks twice before it says that there is none, as the broker may just not know yet. */
  async #find(workspace: string): Promise<Topic | undefined> {
    const name = this.nameOf(workspace);
    const topic = await this.#cluster.find(name);
    if (topic) {
      return topic;
    }
    await pause(SPREAD_MS);
    return this.#cluster.find(name);
  }

  /**
   * Waits until the brokers that tell of topics tell of this one.
   *
   * @param id Of the topic, where it is known: one that was deleted may be told of for a while.
   */
  async #spread(workspace: string, id: string | undefined): Promise<void> {
    const deadline = Date.now() + this.#options.waitMs;
    for (;;) {
      this.forget(workspace);
      const found = (await this.#cluster.find(this.nameOf(workspace)))?.id;
      if (found !== undefined && found === (id ?? found)) {
        return;
      }
      if (Date.now() > deadline) {
        throw unavailable(`the topic of ${workspace} was made, but its leader is not known yet`);
      }
      await pause(SPREAD_MS);
    }
  }
}

/** What a retention is to Kafka. */
function settingsOf({ maxAgeMs, maxBytes }: Retention): Record<string, number> {
  const segmentBytes = Math.floor((maxBytes ?? Infinity) / SEGMENTS_KEPT);
  return {
    'retention.bytes': maxBytes ?? -1,
    'retention.ms': maxAgeMs ?? -1,
    'segment.bytes': Math.min(Math.max(segmentBytes, BATCH_BYTES_MAX), SEGMENT_BYTES_MAX),
    'segment.ms': Math.min(Math.max(maxAgeMs ?? Infinity, SEGMENT_MS_MIN), SEGMENT_MS_MAX),
  };
}

function configsOf(
  settings: Readonly<Record<string, string | number>>,
): { name: string; value: string }[] {
  return Object.entries(settings).map(([name, value]) => ({ name, value: String(value) }));
}

/**
 * Names the incarnation: every node computes it from the id that Kafka gives to a topic, of which
 * the last 48 bits are random.
 */
export function epochOf({ id }: Topic): string {
  const digits = 8;
  const number = Number.parseInt(id.slice(-12), 16) % 36 ** digits;
  return number.toString(36).padStart(digits, '0');
}

export function notFound(workspace: string): ServiceError {
  return new ServiceError('workspace-not-found', `there is no workspace ${workspace}`);
}
