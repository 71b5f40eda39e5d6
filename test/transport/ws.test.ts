import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { emit, eventsUrl, request, Socket, type Frame } from '../support/client.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

const drafts = (from: number, count: number): unknown[] =>
  Array.from({ length: count }, (_, i) => ({ type: `t${i % 2}`, payload: { n: from + i } }));

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('A WebSocket', () => {
  let node: TestNode;
  let socket: Socket;
  /** Each test has a workspace of its own. */
  let workspace: string;
  let made = 0;

  before(async () => {
    node = await startNode({ positionSeconds: 1, heartbeatSeconds: 1 });
  });
  after(async () => {
    await node.stop();
  });
  beforeEach(async () => {
    workspace = `w${made++}`;
    socket = await Socket.open(node.url, workspace);
  });
  afterEach(async () => {
    await socket.close();
  });

  const numbers = (subscription: string): number[] =>
    socket.events(subscription).map(({ event }) => event.payload.n as number);

  const received = async (subscription: string, expected: readonly number[]): Promise<void> => {
    await until('all have come', () => numbers(subscription).length >= expected.length);
    assert.deepEqual(numbers(subscription), expected);
  };

  const caughtUp = (subscription: string): Promise<Frame> =>
    socket.until('it has caught up', (frame) => {
      return frame.op === 'caughtUp' && frame.subscription === subscription;
    });

  describe('that emits', () => {
    it('is answered item by item, with positions', async () => {
      const [again] = drafts(0, 1).map((draft) => ({ ...(draft as object), id: 'w-1' }));
      const events = [again, { type: 'no payload' }, again];
      const answer = await socket.ask({ op: 'emit', events });
      assert.equal(answer.op, 'emitted');
      const [first, refused, duplicate] = answer.results;
      assert.match(first.position, /^[0-9a-z]{8}-0$/);
      assert.equal(refused.error.code, 'invalid-event');
      assert.deepEqual(duplicate, { id: 'w-1', position: first.position, duplicate: true });
    });

    it('keeps its order without waiting for answers', async () => {
      const { subscription } = await socket.ask({ op: 'subscribe' });
      for (const n of upTo(500)) {
        socket.send({ op: 'emit', id: `e${n}`, events: [{ type: 'n', payload: { n } }] });
      }
      await received(subscription, upTo(500));
    });

    it('is told of each mistake by the id of its frame, and goes on', async () => {
      const frames = [
        { op: 'emit', id: 'a', events: drafts(0, 1) },
        { op: 'emit', id: 'b', events: 3 },
        { op: 'unsubscribe', id: 'c', subscription: 's9' },
        { op: 'emit', id: 'd', events: drafts(1, 1) },
      ];
      for (const frame of frames) {
        socket.send(frame);
      }
      await until('all are answered', () => socket.frames.length === frames.length);
      const answers = new Map(socket.frames.map(({ id, op, code }) => [id as string, code ?? op]));
      assert.deepEqual(Object.fromEntries(answers), {
        a: 'emitted',
        b: 'invalid-frame',
        c: 'subscription-not-found',
        d: 'emitted',
      });
    });
  });

  describe('that subscribes', () => {
    it('gets history, then what is live, through one filter', async () => {
      await emit(node.url, workspace, drafts(0, 10));
      const filter = { type: 't1' };
      const { subscription } = await socket.ask({ op: 'subscribe', filter, from: 'start' });
      await caughtUp(subscription);
      await emit(node.url, workspace, drafts(10, 4));
      await received(subscription, [1, 3, 5, 7, 9, 11, 13]);
    });

    it('holds many subscriptions, each with its own filter', async () => {
      const subscriptions = await Promise.all(
        upTo(50).map(async (n) => {
          const filter = { 'payload.n': { gte: n, lte: n + 1 } };
          return (await socket.ask({ op: 'subscribe', filter })).subscription as string;
        }),
      );
      assert.equal(new Set(subscriptions).size, 50);
      await emit(node.url, workspace, drafts(0, 51));
      await Promise.all(subscriptions.map((name, n) => received(name, [n, n + 1])));
    });

    it('gets no more from a subscription that it ends, and goes on with the others', async () => {
      const one = await socket.ask({ op: 'subscribe' });
      const other = await socket.ask({ op: 'subscribe' });
      await emit(node.url, workspace, drafts(0, 2));
      await received(one.subscription, [0, 1]);
      const answer = await socket.ask({ op: 'unsubscribe', subscription: one.subscription });
      assert.equal(answer.op, 'unsubscribed');
      await emit(node.url, workspace, drafts(2, 2));
      await received(other.subscription, upTo(4));
      assert.deepEqual(numbers(one.subscription), [0, 1]);
    });

    it('is told once that it has caught up, and from time to time how far it is', async () => {
      await emit(node.url, workspace, drafts(0, 3));
      const filter = { type: 'never' };
      const ask = { op: 'subscribe', filter, from: 'start' };
      const { subscription } = await socket.ask(ask);
      await caughtUp(subscription);
      await emit(node.url, workspace, drafts(3, 3));
      const position = await socket.until('a position has come', (frame) => {
        return frame.op === 'position' && (frame.cursor as string).endsWith('-5');
      });
      assert.equal(position.subscription, subscription);
      assert.equal(socket.frames.filter(({ op }) => op === 'caughtUp').length, 1);
    });

    it('begins now, at the start, at a position, at a time or with the last', async () => {
      const { body } = await emit(node.url, workspace, drafts(0, 5));
      const { position } = body.results[2] as { position: string };
      const last = await socket.ask({ op: 'subscribe', from: { last: 2 } });
      const { createdAt } = await until('the last two have come', () => {
        return socket.events(last.subscription as string)[1]?.event as { createdAt: string };
      });
      const begins = {
        now: 'now',
        start: 'start',
        after: { position },
        before: { time: '2001-01-15T08:30:00Z' },
        since: { time: createdAt },
        never: { time: '2100-01-01T00:00:00Z' },
        all: { last: 9999 },
      };
      const subscriptions = await Promise.all(
        Object.values(begins).map(async (from) => {
          const { subscription } = await socket.ask({ op: 'subscribe', from });
          await caughtUp(subscription as string);
          return numbers(subscription as string);
        }),
      );
      const got = Object.fromEntries(
        Object.keys(begins).map((name, i) => [name, subscriptions[i]]),
      );
      assert.deepEqual(got, {
        now: [],
        start: upTo(5),
        after: [3, 4],
        before: upTo(5),
        // One call, so one moment of acceptance.
        since: upTo(5),
        never: [],
        all: upTo(5),
      });
      assert.deepEqual(numbers(last.subscription as string), [3, 4]);
    });

    it('is given a replay in the rhythm in which things happened, or faster', async () => {
      const at = (n: number): string => new Date(Date.UTC(2001, 0, 15) + n * 200).toISOString();
      const events = upTo(4).map((n) => ({ type: 'n', payload: { n }, time: at(n) }));
      await emit(node.url, workspace, events);
      for (const [pace, ms] of [
        [1, 600],
        [6, 100],
      ] as const) {
        const began = performance.now();
        const { subscription } = await socket.ask({ op: 'subscribe', from: 'start', pace });
        await received(subscription as string, upTo(4));
        const took = performance.now() - began;
        assert.ok(took >= ms - 5 && took < ms + 2000, `at pace ${pace} it took ${took} ms`);
      }
    });

    it('is told that its workspace was deleted, and stays open', async () => {
      const { body } = await emit(node.url, workspace, drafts(0, 2));
      const before = body.results[1].position as string;
      const { subscription } = await socket.ask({ op: 'subscribe' });
      await request(`${node.url}/v2/workspaces/${workspace}?grace=0`, { method: 'DELETE' });
      const ended = await socket.until('it has ended', ({ op }) => op === 'ended');
      assert.equal(ended.subscription, subscription);
      assert.equal(ended.code, 'workspace-not-found');

      await emit(node.url, workspace, drafts(7, 1));
      const again = await socket.ask({ op: 'subscribe', from: { position: before } });
      const { recovered, reason, first } = again;
      const { epoch } = await node.service.log.bounds(workspace);
      assert.deepEqual(
        { recovered, reason, first },
        { recovered: false, reason: 'other-epoch', first: `${epoch}-0` },
      );
      await received(again.subscription as string, [7]);
    });
  });

  it('that answers no ping is cut off', async () => {
    const url = eventsUrl(node.url, workspace).replace('http', 'ws');
    const silent = new WebSocket(url, 'workspace-events.v1', { autoPong: false });
    const [code] = (await once(silent, 'close')) as [number];
    assert.equal(code, 1006);
    assert.equal(socket.closed, undefined);
  });
});
