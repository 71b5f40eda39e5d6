import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { readLog, searchAll, type Logged } from '../support/log.js';
import { startNode, type TestNode } from '../support/node.js';
import { random, seed } from '../support/random.js';
import { positionOf } from '../support/tailer.js';

const PRODUCERS = 8;

interface Result {
  readonly id: string;
  readonly position: string;
  readonly duplicate?: true;
}

describe('producers of one workspace at the same time', () => {
  let node: TestNode;
  let sockets: Socket[];

  before(async () => {
    node = await startNode();
  });
  after(async () => {
    await node.stop();
  });
  afterEach(async () => {
    await Promise.all(sockets.map((socket) => socket.close()));
  });

  /** A WebSocket for every other producer; the rest take HTTP. */
  async function connect(workspace: string): Promise<void> {
    const opening = Array.from({ length: PRODUCERS / 2 }, () => Socket.open(node.url, workspace));
    sockets = await Promise.all(opening);
  }

  async function send(workspace: string, who: number, events: unknown[]): Promise<Result[]> {
    const socket = who % 2 === 0 ? sockets[who / 2] : undefined;
    const results: unknown = socket
      ? (await socket.ask({ op: 'emit', events })).results
      : (await emit(node.url, workspace, events)).body.results;
    return results as Result[];
  }

  const drafts = (ids: readonly string[]): unknown[] =>
    ids.map((id) => ({ id, type: 'order.kept', payload: { id } }));

  it('get one position for one id, whoever retries it, however often', async function () {
    this.timeout(30_000);
    const number = seed();
    const draw = random(number);
    const ids = Array.from({ length: 400 }, (_, n) => `same-${n}`);
    await connect('same');
    const told = new Map(ids.map((id) => [id, new Set<string>()]));
    let firsts = 0;
    const retry = async (who: number): Promise<void> => {
      // The same ids in batches of other sizes, so that known and unknown ones meet in a batch.
      for (let at = 0; at < ids.length;) {
        const batch = ids.slice(at, (at += Math.ceil(draw() * 30)));
        for (const { id, position, duplicate } of await send('same', who, drafts(batch))) {
          told.get(id)?.add(position);
          firsts += duplicate ? 0 : 1;
        }
      }
    };
    await Promise.all(Array.from({ length: PRODUCERS }, (_, who) => retry(who)));

    assert.equal(firsts, ids.length, `SEED=${number}`);
    const log = await readLog(node.url, 'same');
    const expected = log.map(({ id, cursor }) => [id, [cursor]] as const);
    assert.equal(log.length, ids.length);
    for (const [id, cursors] of expected) {
      assert.deepEqual([...(told.get(id) ?? [])], cursors, `SEED=${number}`);
    }
    const found = await searchAll(node.url, 'same', log.at(-1)?.cursor ?? '');
    assert.equal(found.length, ids.length);
  });

  it('keep their order, and their batches whole', async function () {
    this.timeout(30_000);
    const number = seed();
    const draw = random(number);
    await connect('order');
    const batches: string[][] = [];
    const produce = async (who: number): Promise<void> => {
      const answers: Promise<Result[]>[] = [];
      for (let count = 0; count < 40; count++) {
        const size = Math.ceil(draw() * 20);
        const batch = Array.from({ length: size }, (_, n) => `${who}:${count}:${n}`);
        batches.push(batch);
        answers.push(send('order', who, drafts(batch)));
        // A WebSocket does not wait for answers; requests go over connections of their own.
        if (who % 2 === 1) {
          await answers.at(-1);
        }
      }
      const cursors = (await Promise.all(answers)).flat().map(({ position }) => position);
      const positions = cursors.map(positionOf);
      assert.deepEqual(
        positions,
        positions.toSorted((a, b) => a - b),
        `SEED=${number}`,
      );
    };
    await Promise.all(Array.from({ length: PRODUCERS }, (_, who) => produce(who)));

    const log = await readLog(node.url, 'order');
    for (let who = 0; who < PRODUCERS; who++) {
      const own = ({ id }: Pick<Logged, 'id'>): boolean => id.startsWith(`${who}:`);
      const sent = batches.flat().filter((id) => own({ id }));
      assert.deepEqual(
        log.filter(own).map(({ id }) => id),
        sent,
        `SEED=${number}`,
      );
    }
    const place = new Map(log.map(({ id }, index) => [id, index]));
    for (const batch of batches) {
      const first = place.get(batch[0] ?? '') ?? NaN;
      const run = log.slice(first, first + batch.length).map(({ id }) => id);
      assert.deepEqual(run, batch, `SEED=${number}`);
    }
  });

  it('keep the order of lines, also among others', async function () {
    this.timeout(30_000);
    await connect('lines');
    const ids = Array.from({ length: 5000 }, (_, n) => `line-${n}`);
    const body = drafts(ids).map((draft) => JSON.stringify(draft));
    const [{ status }] = await Promise.all([
      request(eventsUrl(node.url, 'lines'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-ndjson' },
        body: body.join('\n'),
      }),
      ...Array.from({ length: 50 }, (_, n) => send('lines', n % PRODUCERS, drafts([`other-${n}`]))),
    ]);
    assert.equal(status, 201);
    const log = (await readLog(node.url, 'lines')).map(({ id }) => id);
    assert.deepEqual(
      log.filter((id) => id.startsWith('line-')),
      ids,
    );
    assert.equal(log.length, ids.length + 50);
  });
});
