import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { Emitter, type EmitResult } from '../../src/commands/emit.js';
import type { EventLog } from '../../src/commands/log.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import type { JsonObject } from '../../src/event.js';
import {
  AUTO_CREATE,
  CONTEXT,
  Gate,
  openBackEnds,
  withMethods,
  type BackEnds,
} from '../support/backends.js';
import { range, readAll, trimLog } from './sealed.js';

const CONFIG = { eventBytesMax: 2000, idempotencyWindow: 50_000 };
const WORKSPACE = 'w';

const draft = (id: string): JsonObject => ({ id, type: 'order.paid', payload: {} });

describe('Emitting after a restart', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;

  beforeEach(async () => {
    backEnds = await openBackEnds();
    workspaces = await Workspaces.open(backEnds.log, AUTO_CREATE);
  });

  afterEach(async () => {
    await workspaces.close();
    await backEnds.dispose();
  });

  const emitterOn = (methods: Partial<EventLog> = {}): Emitter =>
    new Emitter(withMethods<EventLog>(backEnds.log, methods), workspaces, CONFIG);
  const emit = async (emitter: Emitter, ...ids: string[]): Promise<readonly EmitResult[]> =>
    (await emitter.emit(WORKSPACE, ids.map(draft), CONTEXT)).results;
  const restart = async (): Promise<void> => {
    await workspaces.close();
    backEnds = await backEnds.reopen();
    workspaces = await Workspaces.open(backEnds.log, AUTO_CREATE);
  };

  it('answers an id from before it with its position', async () => {
    await emit(emitterOn(), 'a', 'b', 'c');
    await restart();
    assert.deepEqual(await emit(emitterOn(), 'b', 'd'), [
      { id: 'b', position: 1, duplicate: true },
      { id: 'd', position: 3 },
    ]);
  });

  it('knows the ids of the last ten thousand events', async () => {
    const emitter = emitterOn();
    const ids = range(0, 10_010).map((n) => `id${n}`);
    await emit(emitter, ...ids.slice(0, 5000));
    await emit(emitter, ...ids.slice(5000));
    await restart();
    const again = await emit(emitterOn(), 'id10', 'id10009', 'id9');
    assert.deepEqual(again, [
      { id: 'id10', position: 10, duplicate: true },
      { id: 'id10009', position: 10_009, duplicate: true },
      { id: 'id9', position: 10_010 },
    ]);
  });

  it('looks the ids up once for all who come first, and again where that failed', async () => {
    await emit(emitterOn(), 'a');
    await restart();
    let reads = 0;
    const emitter = emitterOn({
      read: async (...args) => {
        reads++;
        if (reads === 1) {
          throw new Error('the log cannot be read');
        }
        return backEnds.log.read(...args);
      },
    });
    const failed = await Promise.allSettled([emit(emitter, 'a'), emit(emitter, 'a')]);
    assert.deepEqual(
      failed.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    const answers = await Promise.all([emit(emitter, 'a'), emit(emitter, 'a', 'b')]);
    assert.deepEqual(answers, [
      [{ id: 'a', position: 0, duplicate: true }],
      [
        { id: 'a', position: 0, duplicate: true },
        { id: 'b', position: 1 },
      ],
    ]);
    assert.equal(reads, 2);
  });

  it('accepts nothing before the last event, even when the clock was set back', async () => {
    await emit(emitterOn(), 'a');
    await restart();
    const clock = mock.method(Date, 'now', () => 1_000_000_000_000);
    try {
      await emit(emitterOn(), 'b');
    } finally {
      clock.mock.restore();
    }
    const [first, second] = await readAll(backEnds.log, WORKSPACE);
    assert.equal(second!.event.createdAt, first!.event.createdAt);
  });

  it('goes on where the log has forgotten everything', async () => {
    await emit(emitterOn(), 'a', 'b');
    await trimLog(backEnds.log, WORKSPACE, 2);
    await restart();
    assert.deepEqual(await emit(emitterOn(), 'a'), [{ id: 'a', position: 2 }]);
  });

  it('records an id that a deleted workspace of the same name had', async () => {
    const emitter = emitterOn();
    await emit(emitter, 'a', 'b');
    await workspaces.delete(WORKSPACE, CONTEXT, 0);
    assert.deepEqual(await emit(emitter, 'b'), [{ id: 'b', position: 0 }]);
  });

  it('records into the workspace that there is when it has looked the ids up', async () => {
    await emit(emitterOn(), 'a', 'b');
    await restart();
    const gate = new Gate();
    const emitter = emitterOn({
      read: async (...args) => {
        const batch = await backEnds.log.read(...args);
        await gate.pass();
        return batch;
      },
    });
    const waiting = emitter.emit(WORKSPACE, [draft('b')], CONTEXT);
    await gate.reached;
    await workspaces.delete(WORKSPACE, CONTEXT, 0);
    const { epoch: again } = await workspaces.put(WORKSPACE, {}, CONTEXT);
    gate.open();
    assert.deepEqual(await waiting, { epoch: again, results: [{ id: 'b', position: 0 }] });
    assert.deepEqual(await emit(emitter, 'a'), [{ id: 'a', position: 1 }]);
    assert.equal((await readAll(backEnds.log, WORKSPACE)).length, 2);
  });
});
