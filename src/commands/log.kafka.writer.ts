import { initProducerIdV4 } from '@platformatic/kafka';
import { ServiceError } from '../errors.js';
import type { Position, Sealed } from '../event.js';
import { encodeBatch } from './log.kafka.batch.js';
import type { Cluster, Topic } from './log.kafka.cluster.js';
import { patiently, refusalOf, unavailable } from './log.kafka.patience.js';
import { produce } from './log.kafka.produce.js';
import { toRecords } from './log.kafka.records.js';
import { APPEND_BYTES_MAX, type Topics } from './log.kafka.topics.js';

const MIB = 1024 * 1024;

/** Appends that go together: more at a time is no faster, and holds up those that come next. */
const BATCH_BYTES_MAX = MIB;
const BATCH_RECORDS_MAX = 10_000;

/** What may wait in memory for a broker that is away or slow, of one workspace and of all. */
const WORKSPACE_PENDING_BYTES_MAX = 32 * MIB;
const PENDING_BYTES_MAX = 256 * MIB;

/** Sequence numbers begin anew at 0 after the last one of 31 bits. */
const SEQUENCES = 2 ** 31;

const TOO_LARGE = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'];

/** The broker has lost what it knew of a producer: the next append comes as another one. */
const PRODUCER_LOST = [
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
];

interface Producer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

interface Append {
  readonly records: readonly Sealed[];
  readonly bytes: number;
  /** When its caller stops waiting, on the clock of `performance.now`. */
  readonly deadline: number;
  readonly resolve: (first: Position) => void;
  readonly reject: (error: unknown) => void;
}

/** What is on its way to one workspace, and how far its sequence of records has come. */
interface Outbox {
  readonly waiting: Append[];
  bytes: number;
  draining: Promise<void> | undefined;
  producer: Producer | undefined;
  sequence: number;
}

export interface WriterOptions {
  /** How long an append waits for Kafka. */
  readonly waitMs: number;
  readonly schemaId: number | undefined;
}

/**
 * Appends, as an idempotent producer: the broker knows a batch that it has got already by producer
 * id and sequence number, so that an attempt can be made again until it is answered. One batch of a
 * workspace is under way at a time, and what is appended meanwhile makes the next one; the
 * workspaces do not wait for each other.
 */
export class Writer {
  readonly #cluster: Cluster;
  readonly #topics: Topics;
  readonly #options: WriterOptions;
  readonly #outboxes = new Map<string, Outbox>();
  #producer: Promise<Producer> | undefined;
  #pendingBytes = 0;

  constructor(cluster: Cluster, topics: Topics, options: WriterOptions) {
    this.#cluster = cluster;
    this.#topics = topics;
    this.#options = options;
  }

  append(workspace: string, records: readonly Sealed[]): Promise<Position> {
    let bytes = 0;
    for (const record of records) {
      bytes += record.bytes.byteLength;
    }
    if (bytes > APPEND_BYTES_MAX) {
      throw tooLarge();
    }
    const outbox = this.#outboxOf(workspace);
    // Before the append is counted, so that one which is larger than the bound by itself gets in.
    if (outbox.bytes >= WORKSPACE_PENDING_BYTES_MAX || this.#pendingBytes >= PENDING_BYTES_MAX) {
      throw unavailable('too many events wait for Kafka');
    }
    outbox.bytes += bytes;
    this.#pendingBytes += bytes;
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.#options.waitMs;
      outbox.waiting.push({ records, bytes, deadline, resolve, reject });
      outbox.draining ??= this.#drain(workspace, outbox);
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    for (const { draining } of this.#outboxes.values()) {
      await draining;
    }
  }

  #outboxOf(workspace: string): Outbox {
    let outbox = this.#outboxes.get(workspace);
    if (!outbox) {
      outbox = { waiting: [], bytes: 0, draining: undefined, producer: undefined, sequence: 0 };
      this.#outboxes.set(workspace, outbox);
    }
    return outbox;
  }

  async #drain(workspace: string, outbox: Outbox): Promise<void> {
    while (outbox.waiting.length > 0) {
      const appends = takeBatch(outbox.waiting);
      try {
        let position = await this.#produce(workspace, outbox, appends);
        for (const { records, resolve } of appends) {
          resolve(position as Position);
          position += records.length;
        }
      } catch (error) {
        appends.forEach(({ reject }) => {
          reject(error);
        });
      }
      for (const { bytes } of appends) {
        outbox.bytes -= bytes;
        this.#pendingBytes -= bytes;
      }
    }
    outbox.draining = undefined;
    if (!outbox.producer) {
      this.#outboxes.delete(workspace);
    }
  }

  /**
   * Writes one batch, and gives the position of its first record.
   *
   * A failure leaves open whether the batch was written, or still will be. The next one would get
   * its sequence numbers: the broker would take it for the same batch, and acknowledge what it
   * throws away. So a producer id with which a workspace has failed is never used for it again.
   */
  async #produce(workspace: string, outbox: Outbox, appends: readonly Append[]): Promise<number> {
    const { schemaId } = this.#options;
    const records = appends.flatMap((each) => toRecords(workspace, each.records, schemaId));
    const leftMs = Math.max(appends[0]!.deadline - performance.now(), 0);
    let batch: Buffer | undefined;
    try {
      const position = await patiently(leftMs, async (over) => {
        const topic = await this.#topics.require(workspace);
        const producer = outbox.producer ?? (await this.#currentProducer());
        // When it is over, the next batch may have another producer already.
        over.throwIfAborted();
        outbox.producer = producer;
        batch ??= encodeBatch(records, { ...producer, sequence: outbox.sequence });
        return this.#send(workspace, topic, batch);
      });
      outbox.sequence = (outbox.sequence + records.length) % SEQUENCES;
      return position;
    } catch (error) {
      this.#retireProducer(outbox);
      throw toServiceError(error);
    }
  }

  async #send(workspace: string, topic: Topic, batch: Buffer): Promise<number> {
    try {
      return await produce(this.#cluster, topic, batch, this.#options.waitMs);
    } catch (error) {
      // The leader may be another one by now, or the topic gone.
      this.#topics.forget(workspace);
      throw error;
    }
  }

  /** The workspaces share one, until one of them fails. */
  #currentProducer(): Promise<Producer> {
    this.#producer ??= this.#cluster
      .ask(initProducerIdV4.api, null, 0, -1n, -1)
      .catch((error: unknown) => {
        this.#producer = undefined;
        throw error;
      });
    return this.#producer;
  }

  #retireProducer(outbox: Outbox): void {
    // Also for those who have used no other yet: with it they could come to what failed here.
    this.#producer = undefined;
    outbox.producer = undefined;
    outbox.sequence = 0;
  }
}

function takeBatch(waiting: Append[]): Append[] {
  let count = 0;
  let bytes = 0;
  let records = 0;
  do {
    bytes += waiting[count]!.bytes;
    records += waiting[count]!.records.length;
    count++;
  } while (
    count < waiting.length &&
    bytes + waiting[count]!.bytes <= BATCH_BYTES_MAX &&
    records + waiting[count]!.records.length <= BATCH_RECORDS_MAX
  );
  return waiting.splice(0, count);
}

function toServiceError(error: unknown): unknown {
  const refusal = refusalOf(error) ?? '';
  if (TOO_LARGE.includes(refusal)) {
    return tooLarge(error);
  }
  if (refusal === 'INVALID_TIMESTAMP') {
    return unavailable('the clock of this node or that of Kafka is wrong', error);
  }
  return PRODUCER_LOST.includes(refusal)
    ? unavailable('Kafka does not know this producer any more', error)
    : error;
}

function tooLarge(cause?: unknown): ServiceError {
  return new ServiceError('too-large', 'These events are too large to be recorded at once.', {
    cause,
  });
}
