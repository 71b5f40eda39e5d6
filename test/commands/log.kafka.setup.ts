import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { openKafkaLog, type KafkaLogOptions } from '../../src/commands/log.kafka.js';
import type { Batch, EventLog } from '../../src/commands/log.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { KAFKA_BROKERS } from '../stack/servers.js';
import { followLog } from './sealed.js';

const BROKERS = KAFKA_BROKERS.split(',');

/** Another client of the same cluster. */
export const kafka = new Kafka({
  clientId: 'another',
  brokers: BROKERS,
  logLevel: logLevel.NOTHING,
});

/** A log with topics of its own. */
export function logOptions(own: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  return {
    brokers: BROKERS,
    clientId: 'test',
    topicPrefix: `test-${randomUUID()}.`,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    waitMs: 5000,
    ...own,
  };
}

/** A new one each time: it asks about every topic it has seen, and fails once one is deleted. */
export async function administer(work: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Removes the topics of a log. */
export async function wipe({ topicPrefix }: KafkaLogOptions): Promise<void> {
  await administer(async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(topicPrefix));
    await admin.deleteTopics({ topics });
  });
}

/** Opens logs for a test, which are closed and removed after it. */
export function withKafkaLogs(): (own?: Partial<KafkaLogOptions>) => Promise<EventLog> {
  const opened: { log: EventLog; options: KafkaLogOptions }[] = [];
  afterEach(async () => {
    for (const { log, options } of opened.splice(0)) {
      await log.close();
      await wipe(options);
    }
  });
  return async (own) => {
    const options = logOptions(own);
    const log = await openKafkaLog(options);
    opened.push({ log, options });
    return log;
  };
}

export function follower(
  log: EventLog,
  workspace: string,
  after: Position = BEFORE_FIRST,
  signal = new AbortController().signal,
): AsyncIterator<Batch, undefined> {
  return followLog(log, workspace, after, signal) as AsyncIterator<Batch, undefined>;
}
