import assert from 'node:assert/strict';
import type { ServiceError } from '../errors.js';
import type { Position, Recorded, Sealed } from '../event.js';
import type { Retention } from '../retention.js';
import { Cluster, type ClusterOptions, type Topic } from './log.kafka.cluster.js';
import { fetchOnce, type Found } from './log.kafka.fetch.js';
import { follow } from './log.kafka.follow.js';
import { offsetAt } from './log.kafka.offsets.js';
import { patiently, refusalOf, unavailable } from './log.kafka.patience.js';
import { Tails } from './log.kafka.tails.js';
import { epochOf, Topics, type TopicsOptions } from './log.kafka.topics.js';
import { Writer } from './log.kafka.writer.js';
import type { Batch, Bounds, EventLog } from './log.js';

/**
 * What one fetch takes for a follower that is behind: enough for the projection to keep
 * Elasticsearch busy with bulks that are worth their round trip.
 */
const FOLLOW_BYTES = 512 * 1024;

/**
 * A read counts the bytes of events, a fetch those of keys and headers too, which are as many where
 * events are small. A second fetch would get the last batch of the first once more.
 */
const FETCH_FACTOR = 2;
const FETCH_BYTES_MIN = 64 * 1024;
/** What one fetch brings is in memory twice while it is decoded. */
const FETCH_BYTES_MAX = 16 * 1024 * 1024;

export interface KafkaLogOptions extends ClusterOptions, TopicsOptions {
  /** Of the envelope, in the schema registry: records begin with it, in Confluent wire format. */
  readonly schemaId?: number;
}

/**
 * Opens the log on a Kafka cluster, of 3.1 or newer.
 *
 * @throws ServiceError `unavailable` when no broker answers.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const log = new KafkaLog(options);
  await log.connect();
  return log;
}

/** The back end for any number of nodes: one topic of one partition per workspace. */
class KafkaLog implements EventLog {
  readonly #waitMs: number;
  readonly #cluster: Cluster;
  readonly #topics: Topics;
  readonly #writer: Writer;
  readonly #tails: Tails;
  /** What is made and deleted of one workspace happens in the order of the calls. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #closed: ServiceError | undefined;

  constructor(options: KafkaLogOptions) {
    const { waitMs, schemaId } = options;
    this.#waitMs = waitMs;
    this.#cluster = new Cluster(options);
    this.#topics = new Topics(this.#cluster, options);
    this.#writer = new Writer(this.#cluster, this.#topics, { waitMs, schemaId });
    this.#tails = new Tails(this.#cluster);
  }

  async connect(): Promise<void> {
    try {
      await patiently(this.#waitMs, () => this.#cluster.refresh());
    } catch (error) {
      this.#cluster.close();
      throw error;
    }
  }

  async append(workspace: string, records: readonly Sealed[]): Promise<Position> {
    assert(records.length > 0, 'an append has at least one record');
    this.#assertOpen();
    return this.#writer.append(workspace, records);
  }

  async read(workspace: string, after: Position, limitBytes: number): Promise<Batch> {
    return this.#with(workspace, (topic) => this.#read(topic, after + 1, limitBytes));
  }

  async *follow(
    workspace: string,
    epoch: string,
    after: Position,
    signal: AbortSignal,
  ): AsyncGenerator<Batch> {
    this.#assertOpen();
    if (signal.aborted) {
      return;
    }
    const topic = await patiently(this.#waitMs, async () => {
      const known = await this.#topics.require(workspace);
      return epochOf(known) === epoch ? known : this.#topics.requireOf(workspace, epoch);
    });
    const source = {
      require: (id: string) => this.#topics.require(id),
      forget: (id: string) => {
        this.#topics.forget(id);
      },
      fetch: (of: Topic, offset: number) => fetchOnce(this.#cluster, of, offset, FOLLOW_BYTES),
      fetchBatch: (of: Topic, offset: number) => fetchOnce(this.#cluster, of, offset, 1),
      wait: (of: Topic, offset: number, until: AbortSignal) => this.#tails.wait(of, offset, until),
      first: async (of: Topic) => (await offsetAt(this.#cluster, of, 'earliest')) ?? 0,
    };
    yield* follow(source, workspace, topic, after, signal);
  }

  async bounds(workspace: string): Promise<Bounds> {
    return this.#with(workspace, async (topic) => {
      const latest = await offsetAt(this.#cluster, topic, 'latest');
      // Asked for by the id of the topic, so that it is of this incarnation.
      const { first, head } = await fetchOnce(this.#cluster, topic, latest ?? 0, 1);
      return { epoch: epochOf(topic), first: first as Position, next: head as Position };
    });
  }

  async seek(workspace: string, time: number): Promise<Position> {
    return this.#with(workspace, async (topic) => {
      const offset =
        (await offsetAt(this.#cluster, topic, Math.max(time, 0))) ??
        (await offsetAt(this.#cluster, topic, 'latest'));
      return ((offset ?? 0) - 1) as Position;
    });
  }

  async create(workspace: string, retention: Retention): Promise<Bounds> {
    this.#assertOpen();
    return this.#inTurn(workspace, async () => {
      await patiently(this.#waitMs, () => this.#topics.create(workspace, retention));
      return this.bounds(workspace);
    });
  }

  async drop(workspace: string, epoch: string): Promise<void> {
    this.#assertOpen();
    return this.#inTurn(workspace, () =>
      patiently(this.#waitMs, () => this.#topics.drop(workspace, epoch)),
    );
  }

  async newest(workspace: string): Promise<Position> {
    // Kafka tells the size of a log, but not where in it so many bytes begin.
    return (await this.bounds(workspace)).first;
  }

  async retain(workspace: string, epoch: string, retention: Retention): Promise<void> {
    this.#assertOpen();
    return this.#inTurn(workspace, () =>
      patiently(this.#waitMs, () => this.#topics.retain(workspace, epoch, retention)),
    );
  }

  async trim(workspace: string, epoch: string, before: Position): Promise<number> {
    this.#assertOpen();
    return this.#inTurn(workspace, async () => {
      const { first, next } = await this.bounds(workspace);
      const begin = Math.min(before, next);
      if (begin > first) {
        await patiently(this.#waitMs, () => this.#topics.trim(workspace, epoch, begin));
      }
      return Math.max(begin - first, 0);
    });
  }

  async close(): Promise<void> {
    this.#closed ??= unavailable('the log is closed');
    await this.#writer.settled();
    this.#cluster.close();
    this.#tails.close(this.#closed);
  }

  /** The records from an offset on, as many as fit, from as many fetches as that takes. */
  async #read(topic: Topic, offset: number, limitBytes: number): Promise<Batch> {
    const records: Recorded[] = [];
    let leftBytes = limitBytes;
    let from = offset;
    for (;;) {
      const enoughBytes = Math.max(FETCH_FACTOR * leftBytes, FETCH_BYTES_MIN);
      const found = await this.#fetch(topic, from, Math.min(enoughBytes, FETCH_BYTES_MAX));
      for (const record of found.records) {
        leftBytes -= record.bytes.byteLength;
        if (record.position >= offset && (leftBytes >= 0 || records.length === 0)) {
          records.push(record);
        }
      }
      from = found.next;
      if (leftBytes <= 0 || from >= found.head) {
        const cutAt = leftBytes < 0 ? records.at(-1)?.position : undefined;
        const last = (cutAt ?? Math.max(offset, from) - 1) as Position;
        return { records, first: found.first as Position, last };
      }
    }
  }

  /** As `fetchOnce`, from the nearest offset in the log. */
  async #fetch(topic: Topic, offset: number, maxBytes: number): Promise<Found> {
    for (let from = offset; ;) {
      try {
        return await fetchOnce(this.#cluster, topic, from, maxBytes);
      } catch (error) {
        const isOutside = refusalOf(error) === 'OFFSET_OUT_OF_RANGE';
        const nearest = isOutside ? await this.#nearest(topic, from) : from;
        if (nearest === from) {
          throw error;
        }
        // Retention may pass this one as well before it is asked for.
        from = nearest;
      }
    }
  }

  async #nearest(topic: Topic, offset: number): Promise<number> {
    const first = (await offsetAt(this.#cluster, topic, 'earliest')) ?? 0;
    const next = (await offsetAt(this.#cluster, topic, 'latest')) ?? 0;
    return Math.min(Math.max(offset, first), next);
  }

  /** Does what the leader of a topic is needed for; anew, where that is another one by now. */
  async #with<T>(workspace: string, work: (topic: Topic) => Promise<T>): Promise<T> {
    this.#assertOpen();
    return patiently(this.#waitMs, async () => {
      const topic = await this.#topics.require(workspace);
      try {
        return await work(topic);
      } catch (error) {
        this.#topics.forget(workspace);
        throw error;
      }
    });
  }

  #inTurn<T>(workspace: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#turns.get(workspace) ?? Promise.resolve()).then(work);
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(workspace) === settled) {
          this.#turns.delete(workspace);
        }
      });
    this.#turns.set(workspace, settled);
    return done;
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw this.#closed;
    }
  }
}
