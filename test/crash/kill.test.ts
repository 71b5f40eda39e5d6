import assert from 'node:assert/strict';
import { readLog, searchAll, type Logged } from '../support/log.js';
import { random, seed } from '../support/random.js';
import { faults } from '../support/sequence.js';
import { Tailer } from '../support/tailer.js';
import { until } from '../until.js';
import { CrashingNode } from './node.js';
import { Producer, WAYS, WORKSPACE, type Load } from './producer.js';

const TRANSPORTS = ['ws', 'sse', 'poll'] as const;
const KILLS = 30;
const LOAD: Load = { eventsMax: { batch: 50, lines: 1500, socket: 100 } };

/** How long a node lives: from before its first answer to the middle of its work. */
const LIFE_MS_MAX = 600;

describe('a node that is killed under load, again and again', () => {
  const number = seed();
  const draw = random(number);
  const producers = WAYS.flatMap((way) =>
    [true, false].map((retries) => new Producer(way, retries, LOAD, draw)),
  );
  let node: CrashingNode;
  let tailers: Tailer[];
  let log: Logged[];

  before(async function () {
    this.timeout(150_000);
    node = await CrashingNode.create();
    tailers = TRANSPORTS.map(
      (transport) =>
        new Tailer(() => node.url, { transport, workspace: WORKSPACE, filter: {}, from: 'start' }),
    );
    let killed = 0;
    const working = producers.map((producer) => producer.run(node, () => killed === KILLS));
    while (killed < KILLS) {
      await node.start();
      const end = performance.now() + draw() * LIFE_MS_MAX;
      await until('its time has come', () => {
        comeBack();
        return performance.now() >= end;
      });
      await node.kill();
      killed++;
    }
    await node.start();
    await Promise.all(working);
    log = await readLog(node.url, WORKSPACE);
  });

  for (const producer of producers) {
    const { name, retries, sent, acknowledged } = producer;
    const recorded = (): Logged[] => log.filter(({ id }) => id.startsWith(`${name}-`));

    it(`has every event once that it has acknowledged: ${name}`, () => {
      const positions = new Map(recorded().map(({ id, position }) => [id, position]));
      assert.equal(positions.size, recorded().length, 'an id is in the log twice');
      assert.ok(acknowledged.size > 0);
      assert.equal(producer.unavailable, 0);
      for (const [id, position] of acknowledged) {
        const actual = positions.get(id);
        assert.notEqual(actual, undefined, `${id} is lost, SEED=${number}`);
        assert.equal(actual, position ?? actual, `${id} has moved, SEED=${number}`);
      }
    });

    it(`has the events in the order in which they were sent: ${name}`, () => {
      const ids = recorded().map(({ id }) => id);
      const held = new Set(ids);
      // What got no answer, and was not sent again, may be there or not.
      const expected = retries ? sent : sent.filter((id) => held.has(id));
      const misplaced = expected.find((id, index) => id !== ids[index]);
      assert.equal(misplaced, undefined, `SEED=${number}`);
      assert.equal(ids.length, expected.length, `SEED=${number}`);
    });
  }

  it('finds every event once', async function () {
    this.timeout(60_000);
    const found = await searchAll(node.url, WORKSPACE, log.at(-1)?.cursor ?? '');
    assert.deepEqual(faults(found.toReversed(), log), [], `SEED=${number}`);
  });

  for (const transport of TRANSPORTS) {
    it(`gives a subscriber that lives through it every event once: ${transport}`, async () => {
      const tailer = tailers.find(({ wish }) => wish.transport === transport)!;
      await until('the subscriber has the last event', () => {
        comeBack();
        return tailer.received.at(-1)?.id === log.at(-1)?.id;
      });
      assert.deepEqual(faults(tailer.received, log), [], `SEED=${number}`);
      assert.deepEqual(tailer.complaints, []);
    });
  }

  after(async () => {
    for (const tailer of tailers) {
      tailer.drop();
    }
    await node.dispose();
  });

  function comeBack(): void {
    for (const tailer of tailers.filter(({ connected }) => !connected)) {
      tailer.connect();
    }
  }
});
