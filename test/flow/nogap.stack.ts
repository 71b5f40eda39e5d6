import { Cluster } from './cluster.js';
import { breaches, noGap, type Running, type Staging } from './nogap.js';

/** Two nodes that share all. */
async function two(
  cluster: Cluster,
  begin: () => Promise<{ readonly url: string }>,
): Promise<Running> {
  const nodes = [await begin(), await begin()];
  return { urls: nodes.map(({ url }) => url), stop: () => cluster.stop() };
}

const STAGING: Staging = {
  eventsPerSecond: 500,
  spawn: (env) => {
    const cluster = new Cluster();
    return two(cluster, () => cluster.spawn(env));
  },
  start: (config) => {
    const cluster = new Cluster();
    return two(cluster, () => cluster.start(config));
  },
};

describe('a subscriber that is cut off and comes back on another node', () => {
  it('receives what the log holds: no gap, no duplicate', async function () {
    this.timeout(90_000);
    await noGap(STAGING);
  });

  breaches(STAGING);
});
