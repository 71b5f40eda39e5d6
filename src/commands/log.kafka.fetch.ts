import { createAPI, fetchV13, ProtocolError, type Reader } from '@platformatic/kafka';
import type { Cluster, Topic } from './log.kafka.cluster.js';
import { decode, type Decoded } from './log.kafka.records.js';

/** What a broker says of one topic. */
export interface Fetched {
  readonly topicId: string;
  readonly errorCode: number;
  /** The position after the last record that readers get. */
  readonly head: number;
  /** The oldest position held. */
  readonly first: number;
  /** Record batches, the last one perhaps cut off. */
  readonly batches: Buffer | undefined;
}

export interface FetchAnswer {
  readonly errorCode: number;
  readonly sessionId: number;
  readonly topics: readonly Fetched[];
}

/** Records as they were found, from a position on. */
export interface Found extends Decoded {
  readonly head: number;
  readonly first: number;
}

/**
 * Not those of open transactions kept back: one that another producer leaves open would stop every
 * follower of the workspace.
 */
export const READ_UNCOMMITTED = 0;

/** Fetch as the library sends it, by topic id: Kafka 3.1 or newer. */
const API_KEY = 1;
const API_VERSION = 13;

/**
 * As the library's, but for the answer: it fails as a whole where one topic of many has failed, and
 * decodes the records of all before anybody has asked for them.
 */
export const fetchApi = createAPI<fetchV13.FetchRequest, FetchAnswer>(
  API_KEY,
  API_VERSION,
  fetchV13.createRequest,
  (_correlationId, _apiKey, _apiVersion, reader) => {
    reader.readInt32(); // How long the broker has throttled.
    return {
      errorCode: reader.readInt16(),
      sessionId: reader.readInt32(),
      topics: reader.readArray((topic) => {
        const topicId = topic.readUUID();
        const [partition] = topic.readArray((each) => partitionIn(each, topicId));
        return partition!;
      }),
    };
  },
);

function partitionIn(reader: Reader, topicId: string): Fetched {
  reader.readInt32(); // The partition: there is but one.
  const errorCode = reader.readInt16();
  const head = Number(reader.readInt64());
  reader.readInt64(); // Where the open transactions begin.
  const first = Number(reader.readInt64());
  reader.readNullableArray((each) => [each.readInt64(), each.readInt64()]);
  reader.readInt32(); // A replica that is nearer.
  return { topicId, errorCode, head, first, batches: batchesIn(reader) };
}

function batchesIn(reader: Reader): Buffer | undefined {
  // The length plus one; 0 stands for null.
  const length = reader.readUnsignedVarInt() - 1;
  if (length <= 0) {
    return undefined;
  }
  const batches = reader.buffer.slice(reader.position, reader.position + length);
  reader.skip(length);
  // Copied, because one record that is kept would keep the answer about all topics.
  return Buffer.from(batches);
}

/** How one topic is asked for. */
export function request(
  topicId: string,
  offset: number,
  maxBytes: number,
): fetchV13.FetchRequestTopic {
  return {
    topicId,
    partitions: [
      {
        partition: 0,
        currentLeaderEpoch: -1,
        fetchOffset: BigInt(offset),
        lastFetchedEpoch: -1,
        partitionMaxBytes: maxBytes,
      },
    ],
  };
}

/**
 * Fetches what is there, at least one batch, without waiting and without a session.
 *
 * @throws ProtocolError also when the topic is not of this incarnation any more.
 */
export async function fetchOnce(
  cluster: Cluster,
  topic: Topic,
  offset: number,
  maxBytes: number,
): Promise<Found> {
  const answer = await cluster
    .link(topic.leader, 'read')
    .call(
      fetchApi,
      0,
      1,
      maxBytes,
      READ_UNCOMMITTED,
      0,
      -1,
      [request(topic.id, offset, maxBytes)],
      [],
      '',
    );
  const [fetched] = answer.topics;
  if (answer.errorCode !== 0 || !fetched) {
    throw new ProtocolError(answer.errorCode);
  }
  return foundIn(fetched, offset);
}

/** @throws ProtocolError where the broker has refused. */
export function foundIn({ errorCode, head, first, batches }: Fetched, offset: number): Found {
  if (errorCode !== 0) {
    throw new ProtocolError(errorCode);
  }
  const decoded = batches && decode(batches, offset);
  return { head, first, ...(decoded ?? { records: [], batches: [], next: offset }) };
}
