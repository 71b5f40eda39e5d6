import assert from 'node:assert/strict';
import { request } from '../support/client.js';
import { spawnNode, startNode, temporaryFolder } from '../support/node.js';
import { seed } from '../support/random.js';
import { Tail, type Stretch } from '../../src/queries/tail.js';
import { until } from '../until.js';
import { complaints } from './complaints.js';
import { storm } from './storm.js';

/** So little that subscribers have to read the log, and meet the live ones, all the time. */
const TIGHT = { ringBytesMax: 64 * 1024, readBytes: 16 * 1024 };

describe('a subscriber that is cut off and comes back', () => {
  it('receives what the log holds: no gap, no duplicate', async function () {
    this.timeout(90_000);
    const weather = { seed: seed(), seconds: 10, eventsPerSecond: 1000, tailers: 40 };
    const folder = await temporaryFolder();
    const node = await spawnNode({
      DATA_DIR: folder.path,
      RING_BYTES_MAX: String(TIGHT.ringBytesMax),
      READ_BYTES: String(TIGHT.readBytes),
    });
    try {
      const found = await complaints(node.url, await storm(node.url, weather));
      assert.equal(found.length, 0, [`SEED=${weather.seed}`, ...found.slice(0, 20)].join('\n'));
      await until('the service has let go of every subscriber', async () => {
        const { body } = await request(`${node.url}/metrics`);
        return !/^(subscribers\{.*\}|websocket_connections) [1-9]/m.test(body as string);
      });
    } finally {
      await node.end();
      await folder.remove();
    }
  });

  /** What is done to the events that a subscriber reads on its way to the live ones. */
  type Sabotage = (records: Stretch['records']) => Stretch['records'];
  const sabotages: [what: string, complaint: RegExp, Sabotage][] = [
    ['skips an event', /a gap at/, ([first, ...rest]) => (rest.length > 0 ? rest : [first!])],
    ['repeats an event', /a duplicate at/, ([first, ...rest]) => [first!, first!, ...rest]],
  ];
  for (const [what, complaint, sabotage] of sabotages) {
    it(`would be known to have a service that ${what}`, async function () {
      this.timeout(30_000);
      const after: Tail['after'] = Reflect.get(Tail.prototype, 'after');
      const node = await startNode(TIGHT);
      Tail.prototype.after = async function (position): Promise<Stretch> {
        const stretch = await after.call(this, position);
        const { records } = stretch;
        // Only in the first half, so that all get to see the last events, by which they end.
        return position < 300 && records.length > 0
          ? { ...stretch, records: sabotage(records) }
          : stretch;
      };
      try {
        const weather = { seed: seed(), seconds: 2, eventsPerSecond: 300, tailers: 12 };
        const visitors = await storm(node.url, weather);
        Tail.prototype.after = after;
        assert.match((await complaints(node.url, visitors)).join('\n'), complaint);
      } finally {
        Tail.prototype.after = after;
        await node.stop();
      }
    });
  }
});
