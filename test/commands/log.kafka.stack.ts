import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { openKafkaLog, type KafkaLogOptions } from '../../src/commands/log.kafka.js';
import { logContract } from '../contract/log.contract.js';
import { KAFKA_BROKERS } from '../stack/servers.js';

const brokers = KAFKA_BROKERS.split(',');
const kafka = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });

function options(): KafkaLogOptions {
  return {
    brokers,
    clientId: 'test',
    topicPrefix: `test-${randomUUID()}.`,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    waitMs: 5000,
  };
}

/** A new one each time: it asks about every topic it has seen, and fails once one is deleted. */
async function administer(work: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Removes the topics that a test has made. */
async function wipe({ topicPrefix }: KafkaLogOptions): Promise<void> {
  await administer(async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(topicPrefix));
    await admin.deleteTopics({ topics });
  });
}

logContract('Kafka', async () => {
  const own = options();
  const log = await openKafkaLog(own);
  return {
    log,
    trim: async (workspace, before) => {
      const topic = own.topicPrefix + workspace;
      const partitions = [{ partition: 0, offset: String(before) }];
      await administer(async (admin) => {
        try {
          // Only what has been asked about is known where to delete.
          await admin.fetchTopicOffsets(topic);
          await admin.deleteTopicRecords({ topic, partitions });
        } catch (error) {
          // A topic that was dropped meanwhile holds nothing any more.
          if ((await admin.listTopics()).includes(topic)) {
            throw error;
          }
        }
      });
    },
    dispose: async () => {
      await log.close();
      await wipe(own);
    },
  };
});
