import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import { Emitter, type EmitResult } from '../../src/commands/emit.js';
import type { EventLog } from '../../src/commands/log.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { ServiceError } from '../../src/errors.js';
import { metrics } from '../../src/metrics.js';
import { CONTEXT, STRANGER, withMethods, withWorkspaces } from '../support/backends.js';
import { positionsOf, range, readAll } from './sealed.js';

const CONFIG = { eventBytesMax: 2000, idempotencyWindow: 50_000 };
const TYPE = 'order.paid';

interface Draft {
  id?: string;
  type: string;
  payload: { n: number };
}
const draft = (n: number, id?: string): Draft => ({
  type: TYPE,
  payload: { n },
  ...(id !== undefined && { id }),
});

/** A result in one word or number, as a table shows it. */
function shown(result: EmitResult): string | number {
  if ('error' in result) {
    return result.error.code;
  }
  return result.duplicate ? `again ${result.position}` : result.position;
}

describe('Emitting', () => {
  let log: EventLog;
  let workspaces: Workspaces;
  let emitter: Emitter;
  let workspace: string;

  withWorkspaces((backEnds, opened) => {
    ({ log } = backEnds);
    workspaces = opened;
    emitter = new Emitter(log, workspaces, CONFIG);
  });

  beforeEach(() => {
    workspace = `w-${randomUUID()}`;
  });

  const emit = async (sent: readonly unknown[], by = emitter): Promise<(string | number)[]> =>
    (await by.emit(workspace, sent, CONTEXT)).results.map(shown);
  const recorded = async (): Promise<number[]> =>
    (await readAll(log, workspace)).map(({ event }) => event.payload.n as number);
  /** Emitters on the same log, but for some calls. */
  const emitterOn = (methods: Partial<EventLog>): Emitter =>
    new Emitter(withMethods(log, methods), workspaces, CONFIG);

  describe('a batch', () => {
    it('is answered item by item, and what is accepted is one run of the log', async () => {
      const sent = [draft(0), { type: '' }, draft(1), null, draft(2), { ...draft(9), x: 1 }];
      const answers = [0, 'invalid-event', 1, 'invalid-event', 2, 'invalid-event'];
      assert.deepEqual(await emit(sent), answers);
      assert.deepEqual(await emit([draft(3)]), [3]);
      assert.deepEqual(await recorded(), [0, 1, 2, 3]);
    });

    it('of which nothing is accepted appends nothing', async () => {
      assert.deepEqual(await emit([{}, 1]), ['invalid-event', 'invalid-event']);
      assert.deepEqual(await emit([]), []);
      assert.deepEqual(await recorded(), []);
    });

    it('tells the faults of an item with their paths', async () => {
      const { results } = await emitter.emit(
        workspace,
        [{ ...draft(0), target: { x: 1 } }],
        CONTEXT,
      );
      const [result] = results;
      assert.ok(result && 'error' in result);
      assert.equal(result.error.errors?.[0]?.path, 'target.x');
    });

    it('names the incarnation of the workspace that its positions are of', async () => {
      const { epoch } = await emitter.emit(workspace, [draft(0)], CONTEXT);
      assert.equal(epoch, (await log.bounds(workspace)).epoch);
    });

    it('is in the log when it is answered, after those of earlier calls', async () => {
      const answers = await Promise.all(
        range(0, 60).map((n) => emit([draft(2 * n), draft(2 * n + 1)])),
      );
      assert.deepEqual(answers.flat(), range(0, 120));
      assert.deepEqual(await recorded(), range(0, 120));
    });

    it('goes in after those of earlier calls, also while its workspace is made ready', async () => {
      for (const ticks of range(0, 40)) {
        workspace = `w-${randomUUID()}`;
        await workspaces.put(workspace, {}, CONTEXT);
        const first = emit([draft(0)]);
        for (let tick = 0; tick < ticks; tick++) {
          await Promise.resolve();
        }
        await Promise.all([first, emit([draft(1)]), emit([draft(2)])]);
        assert.deepEqual(await recorded(), [0, 1, 2], `${String(ticks)} ticks later`);
      }
    });

    it('fails as a whole on a fault of ours, without a trace', async () => {
      const broken = {
        get type(): string {
          throw new Error('a fault of ours');
        },
        payload: {},
      };
      await assert.rejects(emit([draft(0, 'a'), broken]), /a fault of ours/);
      assert.deepEqual(await emit([draft(1, 'a')]), [0]);
      assert.deepEqual(await recorded(), [1]);
    });
  });

  describe('an event', () => {
    it('is recorded with what the server knows of it', async () => {
      const sent = {
        ...draft(1, 'o-1'),
        target: { userId: 'u2' },
        options: { persist: false },
        time: '2001-01-15T00:30:00+01:00',
      };
      const before = new Date().toISOString();
      await emitter.emit(workspace, [sent, draft(2)], {
        ...CONTEXT,
        caller: { superadmin: true, userId: 'u1' },
        ip: '8.8.8.8',
      });
      const [first, second] = (await readAll(log, workspace)).map(({ event }) => event);
      const { createdAt } = first!;
      assert.ok(createdAt >= before && createdAt <= new Date().toISOString());
      const source = {
        userId: 'u1',
        workspaceId: workspace,
        correlationId: 'c1',
        connectionId: 'k1',
        ip: '8.8.8.8',
      };
      assert.deepEqual(first, { ...sent, workspaceId: workspace, createdAt, source });
      const { id } = second!;
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      const time = createdAt;
      assert.deepEqual(second, {
        ...draft(2, id),
        workspaceId: workspace,
        time,
        createdAt,
        source,
      });
    });

    it('is answered with the id that it was given', async () => {
      const { results } = await emitter.emit(workspace, [draft(0), draft(1, 'b')], CONTEXT);
      const ids = results.map((result) => ('id' in result ? result.id : undefined));
      assert.deepEqual(
        ids,
        (await readAll(log, workspace)).map(({ event }) => event.id),
      );
      assert.equal(ids[1], 'b');
    });

    it('loses what the workspace redacts, and what does not fit', async () => {
      const config = { redact: ['payload.card.number'], fit: ['payload.scan'] };
      await workspaces.put(workspace, config, CONTEXT);
      const payload = { card: { number: 1, name: 'a' }, scan: 'x'.repeat(3000) };
      assert.deepEqual(await emit([{ type: TYPE, payload }]), [0]);
      const [record] = await readAll(log, workspace);
      const left = { card: { name: 'a' }, scan: '[left out: 3002 bytes]' };
      assert.deepEqual(record!.event.payload, left);
      assert.equal(payload.card.number, 1);
    });

    it('that is too large is refused, and the others are not', async () => {
      const large = { type: TYPE, payload: { n: 'x'.repeat(2000) } };
      assert.deepEqual(await emit([draft(0), large, draft(1)]), [0, 'too-large', 1]);
    });

    it('is never created before the one before it, even when the clock steps back', async () => {
      let now = Date.now();
      const clock = mock.method(Date, 'now', () => now);
      try {
        for (const [n, step] of [0, 5, -60_000, 10, 0, 120_000, -1].entries()) {
          now += step;
          await emit([draft(n)]);
        }
      } finally {
        clock.mock.restore();
      }
      const times = (await readAll(log, workspace)).map(({ event }) => event.createdAt);
      assert.deepEqual(times, times.toSorted());
      assert.equal(new Set(times).size, 3);
    });
  });

  describe('an id that comes again', () => {
    it('is answered with the first position: in one batch, and in a later one', async () => {
      const sent = [draft(0, 'a'), draft(1, 'b'), draft(2, 'a'), draft(3), draft(4, 'b')];
      assert.deepEqual(await emit(sent), [0, 1, 'again 0', 2, 'again 1']);
      assert.deepEqual(await emit([draft(5), draft(6, 'b')]), [3, 'again 1']);
      assert.deepEqual(await recorded(), [0, 1, 3, 5]);
    });

    it('is recorded once by calls at the same time', async () => {
      const answers = await Promise.all(range(0, 20).map((n) => emit([draft(n, 'a'), draft(n)])));
      const [first, ...others] = answers.map(([answer]) => answer);
      assert.equal(first, 0);
      assert.deepEqual(new Set(others), new Set(['again 0']));
      assert.equal((await recorded()).length, 21);
    });

    it('in another workspace is another one', async () => {
      await emit([draft(0, 'a')]);
      workspace = `w-${randomUUID()}`;
      assert.deepEqual(await emit([draft(0, 'a')]), [0]);
    });

    it('was refused the first time is a first one', async () => {
      assert.deepEqual(await emit([{ id: 'a', type: '' }, draft(1, 'a')]), ['invalid-event', 0]);
    });

    it('is a first one where its append failed, for all who waited for it', async () => {
      let failures = 1;
      const failing = emitterOn({
        append: async (...args) => {
          if (failures-- > 0) {
            throw new ServiceError('unavailable', 'no room');
          }
          return log.append(...args);
        },
      });
      await emit([], failing);
      const outcomes = await Promise.allSettled([
        emit([draft(0, 'a'), draft(1, 'b')], failing),
        emit([draft(0, 'a')], failing),
        emit([draft(2, 'c')], failing),
      ]);
      assert.deepEqual(
        outcomes.map((o) => (o.status === 'rejected' ? (o.reason as ServiceError).code : 'in')),
        ['unavailable', 'unavailable', 'in'],
      );
      assert.deepEqual(await emit([draft(0, 'a'), draft(1, 'b')], failing), [1, 2]);
      assert.deepEqual(await recorded(), [2, 0, 1]);
    });
  });

  describe('a workspace that there is not', () => {
    it('is made by the first of many emits at once', async () => {
      const answers = await Promise.all(range(0, 10).map((n) => emit([draft(n)])));
      assert.deepEqual(answers.flat(), range(0, 10));
      const made = (await readAll(log, '_system')).filter(
        ({ event }) => event.payload.workspace === workspace,
      );
      assert.deepEqual(
        made.map(({ event }) => event.type),
        ['workspace.created'],
      );
    });

    it('is not found, where emits do not make workspaces', async () => {
      const own = await Workspaces.open(log, { autoCreate: false, retention: {} });
      const strict = new Emitter(log, own, CONFIG);
      await assert.rejects(emit([draft(0)], strict), { code: 'workspace-not-found' });
      assert.equal(own.get(workspace), undefined);
      await own.put(workspace, {}, CONTEXT);
      assert.deepEqual(await emit([draft(0)], strict), [0]);
      await own.close();
    });
  });

  describe('who may not', () => {
    it('is refused before anything is looked at or made', async () => {
      const refused = emitter.emit(workspace, [draft(0)], STRANGER);
      await assert.rejects(refused, { code: 'forbidden' });
      assert.equal(workspaces.get(workspace), undefined);
    });

    it('emit into a workspace of the service is everybody', async () => {
      for (const reserved of ['_system', '_deadletters', '_other']) {
        const refused = emitter.emit(reserved, [draft(0)], CONTEXT);
        await assert.rejects(refused, { code: 'forbidden' });
      }
    });
  });

  it('counts what was recorded, what was not, and what was before', async () => {
    const value = async (of: typeof metrics.emitted): Promise<number> =>
      (await of.get()).values.reduce((sum, { value: n }) => sum + n, 0);
    const all = (): Promise<number[]> =>
      Promise.all([
        value(metrics.emitted),
        value(metrics.refused as typeof metrics.emitted),
        value(metrics.duplicates),
      ]);
    const before = await all();
    await emit([draft(0, 'a'), draft(1), {}, draft(2, 'a'), 1, 2]);
    const counted = (await all()).map((n, index) => n - before[index]!);
    assert.deepEqual(counted, [2, 3, 1]);
  });

  it('gives positions that readers find', async () => {
    await emit([draft(0)]);
    await emit([draft(1), draft(2)]);
    assert.deepEqual(positionsOf(await readAll(log, workspace)), [0, 1, 2]);
  });
});
