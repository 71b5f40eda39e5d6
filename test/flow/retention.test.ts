import { mock } from 'node:test';
import type { Position } from '../../src/event.js';
import { startNode } from '../support/node.js';
import { until } from '../until.js';
import { complaintsAbout, Load } from './kept.js';
import { EMBEDDED, EVENTS_PER_SECOND, keep, retention } from './retention.js';

describe('A workspace that is kept for a while', () => {
  retention(EMBEDDED, async (config) => {
    const node = await startNode(config);
    return { node, stop: () => node.stop() };
  });

  it('would be known to have lost what is removed too early', async function () {
    this.timeout(30_000);
    const node = await startNode({ retentionSeconds: 1 });
    const { store } = node.service;
    const trim = store.trim.bind(store);
    mock.method(store, 'trim', (...[of, upTo]: Parameters<typeof trim>) =>
      trim(of, (upTo + EVENTS_PER_SECOND) as Position),
    );
    const load = new Load(node.url, 'kept');
    try {
      await keep(node.url, 'kept', EMBEDDED);
      load.start(EVENTS_PER_SECOND);
      await until('there are some', () => load.acknowledged.length > 0);
      const isLost = async (): Promise<boolean> =>
        (await complaintsAbout('search', node.url, load, EMBEDDED.history)).some((complaint) =>
          complaint.includes('a gap at'),
        );
      await until('it is noticed', isLost, 20_000);
    } finally {
      await load.stop();
      mock.restoreAll();
      await node.stop();
    }
  });
});
