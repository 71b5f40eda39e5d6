import { listOffsetsV7, ListOffsetTimestamps, ProtocolError } from '@platformatic/kafka';
import type { Cluster, Topic } from './log.kafka.cluster.js';
import { READ_UNCOMMITTED } from './log.kafka.fetch.js';

/** A client, not a replica. */
const NO_REPLICA = -1;

/** The position of the first record of a time or after it; `undefined` where there is none. */
export async function offsetAt(
  cluster: Cluster,
  topic: Topic,
  time: number | 'earliest' | 'latest',
): Promise<number | undefined> {
  const timestamp =
    typeof time === 'number'
      ? BigInt(time)
      : { earliest: ListOffsetTimestamps.EARLIEST, latest: ListOffsetTimestamps.LATEST }[time];
  const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp }];
  const answer = await cluster
    .link(topic.leader, 'read')
    .call(listOffsetsV7.api, NO_REPLICA, READ_UNCOMMITTED, [{ name: topic.name, partitions }]);
  const [partition] = answer.topics[0]?.partitions ?? [];
  if (!partition) {
    throw new ProtocolError('UNKNOWN_TOPIC_OR_PARTITION');
  }
  return partition.offset < 0 ? undefined : Number(partition.offset);
}
