import { spawnNode, startNode, temporaryFolder } from '../support/node.js';
import { breaches, noGap, type Staging } from './nogap.js';

const STAGING: Staging = {
  eventsPerSecond: 1000,
  spawn: async (env) => {
    const folder = await temporaryFolder();
    const node = await spawnNode({ DATA_DIR: folder.path, ...env });
    return {
      urls: [node.url],
      stop: async () => {
        await node.end();
        await folder.remove();
      },
    };
  },
  start: async (config) => {
    const node = await startNode(config);
    return { urls: [node.url], stop: () => node.stop() };
  },
};

describe('a subscriber that is cut off and comes back', () => {
  it('receives what the log holds: no gap, no duplicate', async function () {
    this.timeout(90_000);
    await noGap(STAGING);
  });

  breaches(STAGING);
});
