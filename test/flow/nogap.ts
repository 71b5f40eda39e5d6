import assert from 'node:assert/strict';
import type { Config } from '../../src/config.js';
import { Tail, type Stretch } from '../../src/queries/tail.js';
import { request } from '../support/client.js';
import { seed } from '../support/random.js';
import { until } from '../until.js';
import { complaints } from './complaints.js';
import { storm } from './storm.js';

/** So little that subscribers have to read the log, and meet the live ones, all the time. */
const TIGHT = { ringBytesMax: 64 * 1024, readBytes: 16 * 1024 };
const TIGHT_ENV = {
  RING_BYTES_MAX: String(TIGHT.ringBytesMax),
  READ_BYTES: String(TIGHT.readBytes),
};

/** Nodes of one service; who is cut off from one comes back on the next. */
export interface Running {
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

export interface Staging {
  readonly eventsPerSecond: number;
  /** In processes of their own, as users run them. */
  readonly spawn: (env: Record<string, string>) => Promise<Running>;
  /** In this process, where the test can reach into them. */
  readonly start: (config: Partial<Config>) => Promise<Running>;
}

/** What is done to the events that a subscriber reads on its way to the live ones. */
type Sabotage = (records: Stretch['records']) => Stretch['records'];
const SABOTAGES: [what: string, complaint: RegExp, Sabotage][] = [
  ['skips an event', /a gap at/, ([first, ...rest]) => (rest.length > 0 ? rest : [first!])],
  ['repeats an event', /a duplicate at/, ([first, ...rest]) => [first!, first!, ...rest]],
];

/** What a subscriber is promised who is cut off and comes back. */
export async function noGap({ eventsPerSecond, spawn }: Staging): Promise<void> {
  const weather = { seed: seed(), seconds: 10, eventsPerSecond, tailers: 40 };
  const nodes = await spawn(TIGHT_ENV);
  try {
    const found = await complaints(nodes.urls[0]!, await storm(nodes.urls, weather));
    assert.equal(found.length, 0, [`SEED=${weather.seed}`, ...found.slice(0, 20)].join('\n'));
    await until('the service has let go of every subscriber', async () => {
      const answers = await Promise.all(nodes.urls.map((url) => request(`${url}/metrics`)));
      const held = /^(subscribers\{.*\}|websocket_connections) [1-9]/m;
      return !answers.some(({ body }) => held.test(body as string));
    });
  } finally {
    await nodes.stop();
  }
}

/** The same, with services that do not keep the promise. */
export function breaches({ start }: Staging): void {
  for (const [what, complaint, sabotage] of SABOTAGES) {
    it(`would be known to have a service that ${what}`, async function () {
      this.timeout(30_000);
      const after: Tail['after'] = Reflect.get(Tail.prototype, 'after');
      const nodes = await start(TIGHT);
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
        const visitors = await storm(nodes.urls, weather);
        Tail.prototype.after = after;
        assert.match((await complaints(nodes.urls[0]!, visitors)).join('\n'), complaint);
      } finally {
        Tail.prototype.after = after;
        await nodes.stop();
      }
    });
  }
}
