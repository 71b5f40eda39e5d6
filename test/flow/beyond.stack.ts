import assert from 'node:assert/strict';
import { forgetBefore } from '../stack/admin.js';
import { emit, eventsUrl, request } from '../support/client.js';
import { readLog, type Logged } from '../support/log.js';
import { faults, type Seen } from '../support/sequence.js';
import { positionOf, Tailer, type From } from '../support/tailer.js';
import { until } from '../until.js';
import { answersAfter } from './answers.js';
import { Cluster } from './cluster.js';

const WORKSPACE = 'beyond';
const OLD_EVENTS = 600;
/** What the log holds no more, and a place in it. */
const FORGOTTEN_EVENTS = 400;
const PLACE = 150;
const NEW_EVENTS = 300;
const BATCH_EVENTS = 50;

/** So little that a subscriber needs many reads of history and log. */
const TIGHT = { RING_BYTES_MAX: String(64 * 1024), READ_BYTES: String(16 * 1024) };

/** Emits further events, numbered on, and gives where they stand. */
async function emitAfter(url: string, first: number, count: number): Promise<Seen[]> {
  const ids = Array.from({ length: count }, (_, n) => `e${first + n}`);
  const events = ids.map((id) => ({ id, type: 'step.taken', payload: {} }));
  const { status, body } = await emit(url, WORKSPACE, events);
  assert.equal(status, 201, JSON.stringify(body));
  const results = body.results as { id: string; position: string }[];
  return results.map(({ id, position }) => ({ id, position: positionOf(position) }));
}

describe('replay beyond what the log holds', function () {
  this.timeout(60_000);

  let cluster: Cluster;

  beforeEach(() => {
    cluster = new Cluster();
  });
  afterEach(() => cluster.stop());

  const forget = (before: number): Promise<void> =>
    cluster.topic(WORKSPACE, (admin, topic) => forgetBefore(admin, topic, before));

  it('is one sequence with the log and what comes live', async () => {
    const emitting = await cluster.spawn(TIGHT);
    const serving = await cluster.spawn(TIGHT);
    for (let first = 0; first < OLD_EVENTS; first += BATCH_EVENTS) {
      await emitAfter(emitting.url, first, BATCH_EVENTS);
    }
    const old = await readLog(emitting.url, WORKSPACE);
    assert.equal(old.length, OLD_EVENTS);
    const query = { waitFor: old.at(-1)!.cursor, wait: '30' };
    assert.equal((await request(eventsUrl(emitting.url, WORKSPACE, query))).status, 200);
    await forget(FORGOTTEN_EVENTS);

    const { cursor: position, event } = old[PLACE]!;
    const time = event.createdAt;
    const starts: [From, (logged: Logged) => boolean][] = [
      ['start', () => true],
      [{ position }, (logged) => logged.position > old[PLACE]!.position],
      [{ time }, (logged) => logged.event.createdAt >= time],
    ];
    const readers = starts.flatMap(([from, isWanted]) =>
      (['ws', 'sse', 'poll'] as const).map((transport) => ({
        wanted: old.filter(isWanted),
        tailer: new Tailer(() => serving.url, {
          transport,
          workspace: WORKSPACE,
          filter: {},
          from,
        }),
      })),
    );
    const fresh: Seen[] = [];
    try {
      for (const { tailer } of readers) {
        tailer.connect();
      }
      while (fresh.length < NEW_EVENTS || !readers.every(isLive)) {
        fresh.push(...(await emitAfter(emitting.url, OLD_EVENTS + fresh.length, 5)));
      }
      const last = fresh.at(-1)!.id;
      await until('all have the last event', () =>
        readers.every(({ tailer }) => tailer.received.at(-1)?.id === last),
      ).catch(() => undefined);
    } finally {
      for (const { tailer } of readers) {
        tailer.drop();
      }
    }
    for (const { wanted, tailer } of readers) {
      assert.deepEqual(
        [...tailer.complaints, ...faults(tailer.received, [...wanted, ...fresh])],
        [],
        JSON.stringify(tailer.wish),
      );
    }
  });

  it('says on every transport what is neither in the log nor in the history', async () => {
    // Nothing is carried into the history, so that what the log forgets is lost.
    const { url } = await cluster.spawn({ ROLES: 'api' });
    await emitAfter(url, 0, 100);
    const [first, , third] = await readLog(url, WORKSPACE);
    const epoch = first!.cursor.split('-')[0]!;
    await forget(60);
    const assertTold = async (): Promise<void> => {
      for (const answer of await answersAfter(url, WORKSPACE, third!.cursor)) {
        assert.deepEqual([answer.recovered, answer.reason], [false, 'expired']);
      }
      const after = third!.cursor;
      const { body } = await request(eventsUrl(url, WORKSPACE, { after }));
      assert.equal(body.events[0].position, `${epoch}-60`);
      const kept = await answersAfter(url, WORKSPACE, `${epoch}-59`);
      assert.ok(kept.every(({ recovered }) => recovered));
    };
    await assertTold();
    // Nor does it come back when the history begins later.
    await cluster.spawn({ ROLES: 'projector' });
    const query = { waitFor: `${epoch}-99`, wait: '30' };
    assert.equal((await request(eventsUrl(url, WORKSPACE, query))).status, 200);
    await assertTold();
  });

  it('says what was lost in the midst of the history for as long as that is kept', async () => {
    const { url } = await cluster.spawn({ ROLES: 'api' });
    const historized = async (position: number): Promise<void> => {
      const query = { waitFor: `${epoch}-${position}`, wait: '30' };
      assert.equal((await request(eventsUrl(url, WORKSPACE, query))).status, 200);
    };
    await emitAfter(url, 0, 100);
    const epoch = (await readLog(url, WORKSPACE))[0]!.cursor.split('-')[0]!;
    const projector = await cluster.spawn({ ROLES: 'projector' });
    await historized(99);
    await projector.end();
    await emitAfter(url, 100, 100);
    await forget(150);
    await cluster.spawn({ ROLES: 'projector' });
    await historized(199);
    await emitAfter(url, 200, 50);
    await historized(249);
    await forget(220);
    // One that has none of it in memory.
    const serving = await cluster.spawn({ ROLES: 'api' });

    for (const [after, recovered] of [
      [50, false],
      [99, false],
      [120, false],
      [149, true],
    ] as const) {
      const query = { after: `${epoch}-${after}`, limit: '1000', wait: '1' };
      const { body } = await request(eventsUrl(serving.url, WORKSPACE, query));
      assert.equal(body.recovered, recovered, `after ${after}`);
      const events = body.events as { position: string }[];
      const positions = events.map(({ position }) => positionOf(position));
      const wanted = Array.from({ length: 250 }, (_, n) => n).filter(
        (n) => n > after && (n < 100 || n >= 150),
      );
      assert.deepEqual(positions, wanted);
    }
    const tailer = new Tailer(() => serving.url, {
      transport: 'sse',
      workspace: WORKSPACE,
      filter: {},
      from: { position: `${epoch}-50` },
    });
    tailer.connect();
    await until('all is delivered', () => tailer.position === 249);
    tailer.drop();
    assert.equal(tailer.received.length, 149);
    assert.equal(tailer.complaints.length, 1);
  });
});

/** Whether a reader has come to the events that were emitted after it. */
function isLive({ tailer }: { readonly tailer: Tailer }): boolean {
  return Number(tailer.received.at(-1)?.id.slice(1)) >= OLD_EVENTS;
}
