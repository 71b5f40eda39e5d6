import { Cluster } from './cluster.js';
import { retention } from './retention.js';

describe('A workspace that is kept for a while, on Kafka and in Elasticsearch', () => {
  // Readings take longer where three servers share a machine.
  const times = { log: 6000, history: 14_000, loaded: 24_000 };
  retention(times, async (config) => {
    const cluster = new Cluster();
    // The one that is asked to clean up is not the one that projects.
    const node = await cluster.start({ ...config, roles: ['api'] });
    await cluster.start({ ...config, roles: ['projector'] });
    return { node, stop: () => cluster.stop() };
  });
});
