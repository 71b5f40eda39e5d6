import { createAPI, ProduceAcks, produceV9, Writer } from '@platformatic/kafka';
import type { Cluster, Topic } from './log.kafka.cluster.js';

const API_KEY = 0;
const API_VERSION = 9;

/** As the library's, but for a batch that is encoded already, once for all tries. */
const produceApi = createAPI<
  [topic: string, batch: Buffer, waitMs: number],
  produceV9.ProduceResponse
>(
  API_KEY,
  API_VERSION,
  (topic: string, batch: Buffer, waitMs: number) =>
    Writer.create()
      .appendString(null)
      .appendInt16(ProduceAcks.ALL)
      .appendInt32(waitMs)
      .appendArray([topic], (topics, name) => {
        topics.appendString(name).appendArray([batch], (partitions, records) => {
          partitions
            .appendInt32(0)
            .appendUnsignedVarInt(records.length + 1)
            .append(records);
        });
      })
      .appendTaggedFields(),
  produceV9.parseResponse,
);

/**
 * Writes a batch, and resolves with the position of its first record once all replicas in sync have
 * it.
 *
 * @param waitMs How long the leader may wait for the replicas.
 */
export async function produce(
  cluster: Cluster,
  topic: Topic,
  batch: Buffer,
  waitMs: number,
): Promise<number> {
  const { responses } = await cluster
    .link(topic.leader, 'write')
    .call(produceApi, topic.name, batch, waitMs);
  const [partition] = responses[0]!.partitionResponses;
  return Number(partition!.baseOffset);
}
