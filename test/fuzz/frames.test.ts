import assert from 'node:assert/strict';
import { registry } from '../../src/metrics.js';
import { request } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { random, seed } from '../support/random.js';
import { fuzzFrames } from './frames.js';

const FRAMES = 5_000;

describe('Frames that no client should send', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode({ ringBytesMax: 1_048_576 });
  });

  after(() => node.stop());

  it(`are met one by one, ${String(FRAMES)} of them, and the node goes on`, async () => {
    const from = seed();
    const errors = async (): Promise<number> => {
      const { values } = await registry.getSingleMetric('errors_total')!.get();
      return values[0]?.value ?? 0;
    };
    const before = await errors();
    const { connections } = await fuzzFrames(node.url, FRAMES, random(from));
    assert.equal(await errors(), before, `SEED=${String(from)}`);
    assert.ok(connections > FRAMES / 500, 'none has ended a connection');
    assert.equal((await request(`${node.url}/sys/readiness`)).status, 200);
  });
});
