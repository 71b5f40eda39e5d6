import { kafkaWith } from './kafka.js';
import { freePort, startAlone, type Alone } from './stack.js';

const BROKERS = 3;

/** What Kafka keeps for itself is to outlive a broker as well. */
const INTERNAL_TOPICS = {
  'offsets.topic.replication.factor': BROKERS,
  'transaction.state.log.replication.factor': BROKERS,
  'transaction.state.log.min.isr': 2,
  'share.coordinator.state.topic.replication.factor': BROKERS,
  'share.coordinator.state.topic.min.isr': 2,
};

/** Three brokers of one cluster, each a controller too; the nth has the id n + 1. */
export async function startBrokers(): Promise<readonly Alone[]> {
  const ports: number[] = [];
  while (ports.length < BROKERS) {
    ports.push(await freePort());
  }
  const voters = ports.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(',');
  const starts = await Promise.allSettled(
    ports.map((controllerPort, index) =>
      startAlone(
        kafkaWith(({ port }) => ({
          ...INTERNAL_TOPICS,
          'node.id': index + 1,
          'controller.quorum.voters': voters,
          listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
        })),
      ),
    ),
  );
  const started = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed) {
    await Promise.all(started.map((broker) => broker.stop()));
    throw failed.reason;
  }
  return started;
}
