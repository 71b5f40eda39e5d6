import { Kafka, logLevel, type Admin } from 'kafkajs';

/**
 * Asks Kafka itself, past the service. A new connection each time: the client goes on asking about
 * every topic that it has seen, and fails once one of them is deleted.
 */
export async function administer<T>(
  brokers: string,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** How many records a topic of one partition holds, by its own offsets. */
export async function recordsIn(admin: Admin, topic: string): Promise<number> {
  const [offsets] = await admin.fetchTopicOffsets(topic);
  return Number(offsets?.high) - Number(offsets?.low);
}

/** Has a topic of one partition forget what stands before an offset. */
export async function forgetBefore(admin: Admin, topic: string, offset: number): Promise<void> {
  // Only what has been asked about is known where to delete.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
}

export async function removeTopics(brokers: string, prefix: string): Promise<void> {
  await administer(brokers, async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
    await admin.deleteTopics({ topics });
  });
}
