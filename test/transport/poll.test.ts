import assert from 'node:assert/strict';
import { emit, eventsUrl, request } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

interface Poll {
  readonly events: readonly { position: string; event: { payload: { n: number } } }[];
  readonly cursor: string;
  readonly caughtUp: boolean;
  readonly recovered: boolean;
  readonly reason?: string;
}

const drafts = (from: number, count: number): unknown[] =>
  Array.from({ length: count }, (_, i) => ({ type: `t${i % 2}`, payload: { n: from + i } }));

const numbers = ({ events }: Poll): number[] => events.map(({ event }) => event.payload.n);

describe('A long poll', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });

  async function poll(workspace: string, query: Record<string, string>): Promise<Poll> {
    const { status, body } = await request(eventsUrl(node.url, workspace, query));
    assert.equal(status, 200);
    return body as Poll;
  }

  /** How many long polls wait. */
  async function waiting(): Promise<number> {
    const { body } = await request(`${node.url}/metrics`);
    return Number(/^subscribers\{transport="poll"\} (\d+)/m.exec(body as string)?.[1] ?? 0);
  }

  it('answers at once with what there is, without having been asked to wait', async () => {
    await emit(node.url, 'now', drafts(0, 3));
    // The first subscriber of a workspace, and one that comes to what is already followed.
    for (let subscriber = 1; subscriber <= 2; subscriber++) {
      const answer = await poll('now', { from: 'start' });
      assert.deepEqual(numbers(answer), [0, 1, 2]);
      assert.ok(answer.caughtUp && answer.recovered);
    }
  });

  it('sees what was acknowledged a moment before', async () => {
    let { cursor } = await poll('moment', { from: 'now' });
    for (let n = 0; n < 50; n++) {
      await emit(node.url, 'moment', drafts(n, 1));
      const answer = await poll('moment', { after: cursor });
      assert.deepEqual(numbers(answer), [n]);
      ({ cursor } = answer);
    }
  });

  it('answers at once although it may wait', async () => {
    await emit(node.url, 'may', drafts(0, 1));
    const began = performance.now();
    assert.deepEqual(numbers(await poll('may', { from: 'start', wait: '30' })), [0]);
    assert.ok(performance.now() - began < 5000);
  });

  it('waits for the first event that matches, then answers', async () => {
    const { cursor } = await poll('wait', { from: 'now' });
    const answer = poll('wait', { after: cursor, wait: '30', type: 'wanted' });
    await until('it waits', async () => (await waiting()) > 0);
    await emit(node.url, 'wait', drafts(0, 1));
    await emit(node.url, 'wait', [{ type: 'wanted', payload: { n: 7 } }]);
    assert.deepEqual(numbers(await answer), [7]);
  });

  it('waits as long as it was asked to, and then gives a cursor that has moved on', async () => {
    const { cursor } = await poll('long', { from: 'now' });
    const began = performance.now();
    const answer = poll('long', { after: cursor, wait: '1', type: 'wanted' });
    await until('it waits', async () => (await waiting()) > 0);
    await emit(node.url, 'long', drafts(0, 3));
    const { events, cursor: moved, caughtUp } = await answer;
    const took = performance.now() - began;
    assert.ok(took >= 990 && took < 5000, `it took ${took} ms`);
    assert.deepEqual(events, []);
    assert.match(moved, /-2$/);
    assert.ok(caughtUp);
  });

  it('hands over at its limit, exactly', async () => {
    await emit(node.url, 'pages', drafts(0, 25));
    const seen: number[] = [];
    let answer = await poll('pages', { from: 'start', limit: '10' });
    assert.equal(answer.events.length, 10);
    const caughtUp: boolean[] = [];
    for (; answer.events.length > 0; answer = await poll('pages', { after: answer.cursor })) {
      seen.push(...numbers(answer));
      caughtUp.push(answer.caughtUp);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, n) => n),
    );
    assert.deepEqual(caughtUp, [false, true]);
  });

  it('hands over exactly where a filter passes most events over', async () => {
    await emit(node.url, 'sparse', drafts(0, 50));
    const seen: number[] = [];
    let query: Record<string, string> = { from: 'start' };
    for (;;) {
      const answer = await poll('sparse', { ...query, limit: '4', type: 't1' });
      if (answer.events.length === 0) {
        break;
      }
      assert.ok(answer.events.length <= 4);
      seen.push(...numbers(answer));
      query = { after: answer.cursor };
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, n) => 2 * n + 1),
    );
  });

  it('is full at its limit, and says nothing of having caught up, even at the head', async () => {
    await emit(node.url, 'full', drafts(0, 5));
    const full = await poll('full', { from: 'start', limit: '5' });
    assert.deepEqual(numbers(full), [0, 1, 2, 3, 4]);
    assert.ok(!full.caughtUp);
    const rest = await poll('full', { after: full.cursor });
    assert.deepEqual([rest.events, rest.caughtUp], [[], true]);
  });

  it('says that a position is lost, with the reason, and goes on with what there is', async () => {
    await emit(node.url, 'lost', drafts(0, 2));
    const { recovered, reason, events } = await poll('lost', { after: 'aaaaaaaa-7' });
    assert.deepEqual(
      { recovered, reason, count: events.length },
      {
        recovered: false,
        reason: 'other-epoch',
        count: 2,
      },
    );
  });
});
