import { Kafka, logLevel, type Consumer, type ConsumerRunConfig } from 'kafkajs';

/** A consumer of kafkajs, alone in its group, which it has joined by then; of all in a topic. */
export async function consume(
  brokers: readonly string[],
  topic: string,
  groupId: string,
  config: ConsumerRunConfig,
): Promise<Consumer> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  // It looks for the end of a topic some time after it has joined.
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run(config);
  await joined;
  return consumer;
}
