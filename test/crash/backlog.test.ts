import assert from 'node:assert/strict';
import { eventsUrl, request } from '../support/client.js';
import { readLog, searchAll } from '../support/log.js';
import { faults } from '../support/sequence.js';
import { positionOf } from '../support/tailer.js';
import { until } from '../until.js';
import { CrashingNode } from './node.js';

const WORKSPACE = 'backlog';

/** So many that no machine projects them before the first kill. */
const EVENTS = 40_000;
const KILLS = 5;

describe('a node that is killed while it historizes a backlog', () => {
  let node: CrashingNode;

  before(async () => {
    node = await CrashingNode.create();
  });
  after(async () => {
    await node.dispose();
  });

  /** How far history has come. */
  async function historized(): Promise<number> {
    const { body } = await request(eventsUrl(node.url, WORKSPACE, { limit: '1' }));
    return positionOf(body.cursor as string);
  }

  it('historizes every event once', async function () {
    this.timeout(90_000);
    await node.start();
    const lines = Array.from({ length: EVENTS }, (_, n) => {
      const payload = { n, city: `c${n % 100}`, total: n / 7, note: `of ${n % 10} kinds` };
      return JSON.stringify({ id: `b${n}`, type: 'backlog.grown', payload });
    });
    const { body } = await request(eventsUrl(node.url, WORKSPACE), {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: lines.join('\n'),
    });
    assert.equal(body.accepted, EVENTS);

    let before = await historized();
    for (let killed = 0; killed < KILLS; killed++) {
      await node.kill();
      await node.start();
      const after = await until('history has come further', async () => {
        const now = await historized();
        return (now > before || now === EVENTS - 1) && now;
      });
      assert.ok(killed > 0 || after < EVENTS - 1, 'there was no backlog left to be killed in');
      before = after;
    }

    const log = await readLog(node.url, WORKSPACE);
    assert.equal(log.length, EVENTS);
    const found = await searchAll(node.url, WORKSPACE, log.at(-1)?.cursor ?? '');
    assert.deepEqual(faults(found.toReversed(), log).slice(0, 10), []);
  });
});
