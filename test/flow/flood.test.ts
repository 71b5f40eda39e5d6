import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket as TcpSocket } from 'node:net';
import { emit, Socket, type Frame } from '../support/client.js';
import { as, bearer, configure, identified } from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { open } from '../support/raw.js';
import { until } from '../until.js';

const WAITING_MAX = 20;
const HALF_OPEN = 100;
const QUOTA = 5;
const EVENTS = 200;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const event = (n: number): unknown => ({ type: 'n', payload: { n } });

describe('A flood', () => {
  let node: TestNode;
  const sockets: (Socket | TcpSocket)[] = [];

  before(async () => {
    node = await startNode({
      ...identified(),
      waitingSocketsMax: WAITING_MAX,
      heartbeatSeconds: 1,
    });
    await configure(node.url, 'others');
    await configure(node.url, 'flooded', { quotas: { caller: { eventsPerSecond: QUOTA } } });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) {
      await (socket instanceof Socket ? socket.close() : socket.destroy());
    }
  });
  after(async () => {
    await node.stop();
  });

  async function connect(workspace: string, user = `user of ${workspace}`): Promise<Socket> {
    const headers = bearer(await as('editor', workspace, user));
    const socket = await Socket.open(node.url, workspace, headers);
    sockets.push(socket);
    return socket;
  }

  /** Connections on which nothing is sent, one after the other; tells which are closed. */
  async function halfOpen(count: number): Promise<ReadonlySet<number>> {
    const closed = new Set<number>();
    for (const n of upTo(count)) {
      const socket = open(node.url);
      sockets.push(socket);
      socket.resume().once('close', () => closed.add(n));
      await once(socket, 'connect');
    }
    return closed;
  }

  /** Sends so many events at once, a frame each. */
  function flood(socket: Socket, count: number): void {
    for (const n of upTo(count)) {
      socket.send({ op: 'emit', id: n, events: [event(n)] });
    }
  }

  function answers({ frames }: Socket): Frame[] {
    return frames.filter(({ op }) => op === 'emitted' || op === 'error');
  }

  it('of half-open sockets and of one beyond its quota takes no event from others', async () => {
    const [subscriber, emitter, flooder] = [
      await connect('others'),
      await connect('others'),
      await connect('flooded'),
    ];
    const { subscription } = await subscriber.ask({ op: 'subscribe' });
    const closed = await halfOpen(HALF_OPEN);
    flood(flooder, 100 * QUOTA);
    for (const n of upTo(EVENTS)) {
      assert.equal((await emitter.ask({ op: 'emit', events: [event(n)] })).op, 'emitted');
    }
    const received = (): Frame[] => subscriber.events(subscription as string);
    await until('all have come', () => received().length >= EVENTS);
    assert.deepEqual(
      received().map((frame) => frame.event.payload.n as number),
      upTo(EVENTS),
    );
    const refused = await flooder.until('it is refused', ({ op }) => op === 'error');
    assert.equal(refused.code, 'quota-exceeded');
    assert.ok(closed.size > 0);
  });

  it('of half-open sockets closes those that wait the longest', async () => {
    const closed = await halfOpen(HALF_OPEN);
    await until('the others are closed', () => closed.size >= HALF_OPEN - WAITING_MAX);
    assert.deepEqual(
      [...closed].toSorted((a, b) => a - b),
      upTo(HALF_OPEN - WAITING_MAX),
    );
  });

  it('by a WebSocket is refused once a second, and what it has sent meanwhile waits', async () => {
    const flooder = await connect('flooded', 'user with a quota that is whole');
    flood(flooder, 2 * (QUOTA + 1));
    await until('all are answered', () => answers(flooder).length === 2 * (QUOTA + 1));
    const ops = answers(flooder)
      .toSorted((a, b) => (a.id as number) - (b.id as number))
      .map(({ op }) => op);
    const second = [...Array<string>(QUOTA).fill('emitted'), 'error'];
    assert.deepEqual(ops, [...second, ...second]);
  });

  it('by a WebSocket, whose pongs wait as well, is not taken for vanished', async () => {
    const flooder = await connect('flooded', 'user who goes on');
    flood(flooder, 4 * (QUOTA + 1));
    await until('all are answered', () => answers(flooder).length === 4 * (QUOTA + 1));
    assert.ok(answers(flooder).some(({ op }) => op === 'error'));
  });

  it('has the flooder served again later, and locks nobody out meanwhile', async () => {
    await halfOpen(HALF_OPEN);
    const flooder = await connect('flooded');
    flood(flooder, 2 * QUOTA);
    await flooder.until('it is refused', ({ op }) => op === 'error');
    await flooder.close();
    const headers = bearer(await as('editor', 'flooded', 'user of flooded'));
    await until('it is served again', async () => {
      const { status } = await emit(node.url, 'flooded', [event(0)], headers);
      return status === 201;
    });
  });
});
