import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import type { ServiceError } from '../../src/errors.js';
import { eventOf, type Position } from '../../src/event.js';
import { Workspaces, type Workspace } from '../../src/commands/workspaces.js';
import { until } from '../until.js';
import { CONTEXT, Gate, withBackEnds, withMethods } from '../support/backends.js';
import { range, readAll, sealed, sealedBytes } from './sealed.js';

const HOUR_MS = 3_600_000;

describe('Workspaces', () => {
  let log: EventLog;
  let workspaces: Workspaces;
  let opened: Workspaces[];
  let id: string;

  withBackEnds((backEnds) => {
    ({ log } = backEnds);
  });

  beforeEach(async () => {
    id = `w-${randomUUID()}`;
    opened = [];
    workspaces = await open();
  });

  afterEach(() => Promise.all(opened.map((each) => each.close())));

  /** As another node would: each folds for itself. */
  const open = async (on: EventLog = log, autoCreate = true): Promise<Workspaces> => {
    const own = await Workspaces.open(on, { autoCreate, retention: {} });
    opened.push(own);
    return own;
  };
  const told = async (): Promise<string[]> =>
    (await readAll(log, '_system'))
      .flatMap((record) => eventOf(record) ?? [])
      .filter(({ payload }) => payload.workspace === id)
      .map(({ type }) => type);
  const shown = ({ epoch, createdAt, config }: Workspace): unknown => ({
    epoch,
    createdAt,
    config,
  });
  const missing = { code: 'workspace-not-found' };

  it('begin with that of the service', async () => {
    const system = await workspaces.require('_system');
    assert.equal(system.epoch, (await log.bounds('_system')).epoch);
    assert.ok(workspaces.list().includes(system));
  });

  describe('put', () => {
    it('makes a workspace with its log and its configuration', async () => {
      const made = await workspaces.put(id, { description: 'd' }, CONTEXT);
      assert.deepEqual(shown(made), {
        epoch: (await log.bounds(id)).epoch,
        createdAt: made.createdAt,
        config: { description: 'd' },
      });
      assert.ok(Math.abs(Date.parse(made.createdAt) - Date.now()) < 60_000);
      assert.equal(workspaces.get(id), made);
      assert.equal(await workspaces.require(id), made);
      assert.deepEqual(await told(), ['workspace.created']);
    });

    it('gives one that there is another configuration, in place of the old one', async () => {
      const made = await workspaces.put(id, { redact: ['payload.a'] }, CONTEXT);
      const put = await workspaces.put(id, { fit: ['payload.b'] }, CONTEXT);
      assert.equal(put, made);
      assert.deepEqual(put.config, { fit: ['payload.b'] });
      assert.deepEqual(await told(), ['workspace.created', 'workspace.configured']);
    });

    it('configures also one that an emit is just making', async () => {
      const [, put] = await Promise.all([
        workspaces.obtain(id, CONTEXT),
        workspaces.put(id, { redact: ['payload.a'] }, CONTEXT),
      ]);
      assert.deepEqual(put.config, { redact: ['payload.a'] });
      assert.equal(workspaces.get(id)?.config, put.config);
    });

    it('is recorded with who did it', async () => {
      const caller = { superadmin: true, userId: 'u1' };
      await workspaces.put(id, {}, { ...CONTEXT, caller, correlationId: id });
      const { event } = (await readAll(log, '_system')).at(-1)!;
      assert.equal(event.source.userId, 'u1');
      assert.equal(event.source.correlationId, id);
    });
  });

  describe('obtain', () => {
    it('gives the one that there is', async () => {
      const made = await workspaces.put(id, {}, CONTEXT);
      assert.equal(await workspaces.obtain(id, CONTEXT), made);
    });

    it('makes one for all who ask at once', async () => {
      const made = await Promise.all(range(0, 20).map(() => workspaces.obtain(id, CONTEXT)));
      assert.equal(new Set(made).size, 1);
      assert.deepEqual(await told(), ['workspace.created']);
    });

    it('makes one on two nodes at once, which both name the same log', async () => {
      const other = await open();
      const made = await Promise.all([workspaces.obtain(id, CONTEXT), other.obtain(id, CONTEXT)]);
      const { epoch } = await log.bounds(id);
      assert.deepEqual(
        made.map((each) => each.epoch),
        [epoch, epoch],
      );
    });

    it('makes none with a name of the service, and none where that is not allowed', async () => {
      const strict = await open(log, false);
      await assert.rejects(workspaces.obtain(`_${id}`, CONTEXT), missing);
      await assert.rejects(strict.obtain(id, CONTEXT), missing);
      await assert.rejects(strict.require(id), missing);
      assert.deepEqual(await told(), []);
    });

    it('tries again after a failure', async () => {
      let failures = 1;
      const own = await open(
        withMethods(log, {
          create: (workspace, retention) =>
            workspace === id && failures-- > 0
              ? Promise.reject(new Error('no log'))
              : log.create(workspace, retention),
        }),
      );
      await assert.rejects(own.obtain(id, CONTEXT), /no log/);
      assert.equal((await own.obtain(id, CONTEXT)).id, id);
    });
  });

  it('keep what they say themselves, and otherwise what the service decides', async () => {
    const own = await Workspaces.open(log, {
      autoCreate: true,
      retention: { log: { maxAgeMs: HOUR_MS }, history: { maxAgeMs: 9 * HOUR_MS } },
    });
    opened.push(own);
    const retained: unknown[] = [];
    const spying = await open(
      withMethods(log, {
        retain: (workspace, epoch, retention) => {
          retained.push([workspace, epoch, retention]);
          return log.retain(workspace, epoch, retention);
        },
      }),
    );
    const silent = await own.put(id, {}, CONTEXT);
    assert.deepEqual(own.retentionOf(silent), {
      log: { maxAgeMs: HOUR_MS },
      history: { maxAgeMs: 9 * HOUR_MS },
    });
    const retention = { log: { hours: null, bytes: 7 }, history: { hours: 1 / 3600 } };
    const { epoch } = await spying.put(id, { retention }, CONTEXT);
    const said = { log: { maxBytes: 7 }, history: { maxAgeMs: 1000 } };
    await until('it is known', () => own.get(id)?.config.retention);
    assert.deepEqual(own.retentionOf(await own.require(id)), said);
    assert.deepEqual(retained, [[id, epoch, said.log]]);
    assert.deepEqual(own.retentionOf(await own.require('_system')), { log: {}, history: {} });
  });

  describe('delete, with a grace', () => {
    const restorable = (of = workspaces): string[] =>
      of
        .deleted()
        .filter(({ workspace, purging }) => workspace.id === id && !purging)
        .map(({ workspace }) => workspace.epoch);

    it('takes the workspace from everybody, and keeps its log', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      const before = Date.now();
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      assert.equal(workspaces.get(id), undefined);
      await assert.rejects(workspaces.require(id), {
        ...missing,
        message: new RegExp(`Restore it with POST /v2/workspaces/${id}/restore, until 2`),
      });
      await assert.rejects(workspaces.delete(id, CONTEXT, HOUR_MS), missing);
      assert.equal((await log.bounds(id)).epoch, epoch);
      const { purgeAt, deletedAt } = workspaces.deleted().at(-1)!;
      assert.ok(new Date(purgeAt).getTime() - before >= HOUR_MS);
      assert.ok(new Date(deletedAt).getTime() >= before);
      assert.deepEqual(await told(), ['workspace.created', 'workspace.deleted']);
    });

    it('keeps the name, and says what to do about that', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const other = await open();
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      const refused = {
        code: 'workspace-deleted',
        message: new RegExp(`POST /v2/workspaces/${id}/restore, or purge it with DELETE .*grace=0`),
      };
      await until('the other node knows', () => !other.get(id));
      for (const node of [workspaces, other, await open()]) {
        await assert.rejects(node.obtain(id, CONTEXT), refused);
        await assert.rejects(node.put(id, {}, CONTEXT), refused);
      }
      assert.deepEqual(await told(), ['workspace.created', 'workspace.deleted']);
    });

    it('ends with a restore, as it was and in its epoch, on every node', async () => {
      const made = await workspaces.put(id, { description: 'd' }, CONTEXT);
      await log.append(id, [sealed(1)]);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      const other = await open();
      assert.deepEqual(restorable(other), [made.epoch]);
      const back = await other.restore(id, CONTEXT);
      assert.deepEqual(shown(back), shown(made));
      // The same as before, which remembers what it was sent.
      assert.equal(await until('this node knows', () => workspaces.get(id)), made);
      assert.deepEqual(restorable(), []);
      assert.equal((await readAll(log, id)).length, 1);
      assert.equal(await workspaces.restore(id, CONTEXT), made);
      assert.deepEqual(shown(await (await open()).require(id)), shown(made));
      assert.deepEqual(await told(), [
        'workspace.created',
        'workspace.deleted',
        'workspace.restored',
      ]);
    });

    it('can be cut short, which makes way for another of the name', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      await workspaces.delete(id, CONTEXT, 0);
      await assert.rejects(log.bounds(id), missing);
      await assert.rejects(workspaces.restore(id, CONTEXT), missing);
      assert.notEqual((await workspaces.obtain(id, CONTEXT)).epoch, epoch);
    });

    it('of which a purge has begun cannot be restored, nor the other way round', async () => {
      for (const first of ['restore', 'purge'] as const) {
        const name = `${id}-${first}`;
        const made = await workspaces.put(name, {}, CONTEXT);
        await workspaces.delete(name, CONTEXT, HOUR_MS);
        const other = await open();
        const [restored, purged] = await Promise.allSettled(
          first === 'restore'
            ? [workspaces.restore(name, CONTEXT), other.purge(made, CONTEXT)]
            : [other.restore(name, CONTEXT), workspaces.purge(made, CONTEXT)],
        );
        assert.equal(purged.status, 'fulfilled');
        // Whichever came first, both nodes have it so, and the log is there or not accordingly.
        const isBack = restored.status === 'fulfilled';
        await until('both know', () =>
          [workspaces, other].every((node) => (node.get(name) !== undefined) === isBack),
        );
        await (isBack ? log.bounds(name) : assert.rejects(log.bounds(name), missing));
      }
    });

    it('is of the first deletion, where two nodes delete at once', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const other = await open();
      await Promise.all([
        workspaces.delete(id, CONTEXT, HOUR_MS),
        other.delete(id, CONTEXT, HOUR_MS).catch((error: unknown) => {
          assert.equal((error as ServiceError).code, missing.code);
        }),
      ]);
      assert.equal(restorable().length, 1);
    });

    it('is none where a release that knew none has deleted', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await workspaces.record('workspace.deleted', { workspace: id, epoch }, CONTEXT);
      assert.deepEqual(restorable(), []);
      assert.notEqual((await workspaces.obtain(id, CONTEXT)).epoch, epoch);
    });

    it('is not ended by a node that takes the log that is left for a new one', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      await workspaces.record('workspace.created', { workspace: id, epoch, config: {} }, CONTEXT);
      assert.equal(workspaces.get(id), undefined);
      assert.deepEqual(restorable(), [epoch]);
    });
  });

  describe('delete, with no grace', () => {
    it('takes the workspace and its log, and says so first', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, 0);
      assert.equal(workspaces.get(id), undefined);
      await assert.rejects(log.bounds(id), missing);
      await assert.rejects(workspaces.delete(id, CONTEXT, 0), missing);
      assert.deepEqual(await told(), ['workspace.created', 'workspace.deleted']);
    });

    it('is done once for all who ask at once', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await Promise.all(range(0, 5).map(() => workspaces.delete(id, CONTEXT, 0)));
      assert.deepEqual(await told(), ['workspace.created', 'workspace.deleted']);
    });

    it('makes way for another of the same name, in another epoch', async () => {
      const first = await workspaces.put(id, { description: 'old' }, CONTEXT);
      await workspaces.delete(id, CONTEXT, 0);
      const second = await workspaces.obtain(id, CONTEXT);
      assert.notEqual(second, first);
      assert.notEqual(second.epoch, first.epoch);
      assert.deepEqual(second.config, {});
    });

    it('does not take the log of one that is made again before it is done', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      const gate = new Gate();
      const own = await open(
        withMethods(log, {
          drop: async (workspace, of) => {
            await (workspace === id ? gate.pass() : undefined);
            await log.drop(workspace, of);
          },
        }),
      );
      const deleting = own.delete(id, CONTEXT, 0);
      await gate.reached;
      const making = own.obtain(id, CONTEXT);
      const configuring = own.put(id, {}, CONTEXT);
      gate.open();
      await deleting;
      const again = await making;
      assert.equal(await configuring, again);
      assert.notEqual(again.epoch, epoch);
      assert.equal((await log.bounds(id)).epoch, again.epoch);
    });

    it('that failed to drop the log leaves nothing to one that is made again', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await log.append(id, [sealed(1)]);
      let failures = 1;
      const own = await open(
        withMethods(log, {
          drop: (workspace, of) =>
            workspace === id && failures-- > 0
              ? Promise.reject(new Error('no drop'))
              : log.drop(workspace, of),
        }),
      );
      await assert.rejects(own.delete(id, CONTEXT, 0), /no drop/);
      const made = await own.obtain(id, CONTEXT);
      assert.notEqual(made.epoch, epoch);
      assert.deepEqual(await readAll(log, id), []);
    });
  });

  describe('the fold', () => {
    it('comes to the same after a restart', async () => {
      const kept = await workspaces.put(id, {}, CONTEXT);
      await workspaces.put(id, { fit: ['payload.a'] }, CONTEXT);
      await workspaces.put(`${id}-2`, {}, CONTEXT);
      await workspaces.delete(`${id}-2`, CONTEXT, 0);
      const again = await open();
      assert.deepEqual(shown(await again.require(id)), shown(kept));
      assert.equal(again.get(`${id}-2`), undefined);
      assert.equal(again.list().length, workspaces.list().length);
    });

    it('follows what other nodes do', async () => {
      const other = await open();
      const made = await other.put(id, { description: 'd' }, CONTEXT);
      const seen = await until('the other node knows it', () => workspaces.get(id));
      assert.deepEqual(shown(seen), shown(made));
      await other.delete(id, CONTEXT, 0);
      await until('the other node has forgotten it', () => !workspaces.get(id));
    });

    it('goes on after the log could not be read for a while', async () => {
      let failures = 1;
      const own = await open(
        withMethods(log, {
          follow: (...args) => {
            if (failures-- > 0) {
              throw new Error('the log cannot be read');
            }
            return log.follow(...args);
          },
        }),
      );
      assert.equal((await own.put(id, {}, CONTEXT)).id, id);
      assert.ok(failures < 0);
    });

    it('passes over a deletion of an earlier incarnation', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await workspaces.record('workspace.deleted', { workspace: id, epoch: 'abcdefgh' }, CONTEXT);
      assert.equal(workspaces.get(id)?.epoch, epoch);
      await workspaces.record('workspace.configured', { workspace: 'x', config: {} }, CONTEXT);
      assert.equal(workspaces.get('x'), undefined);
    });
  });

  describe('of several nodes', () => {
    it('know at once what another has made', async () => {
      const other = await open(log, false);
      for (const n of range(0, 20)) {
        const made = await workspaces.put(`${id}-${n}`, {}, CONTEXT);
        assert.equal((await other.require(`${id}-${n}`)).epoch, made.epoch);
      }
    });

    it('configure what another has made, in place of making it anew', async () => {
      const other = await open();
      for (const n of range(0, 20)) {
        const made = await workspaces.put(`${id}-${n}`, {}, CONTEXT);
        const { epoch, config } = await other.put(`${id}-${n}`, { description: 'd' }, CONTEXT);
        assert.deepEqual([epoch, config], [made.epoch, { description: 'd' }]);
      }
    });
  });

  it('know what is left of those that were deleted, until it is purged', async () => {
    const left = (of: Workspaces): string[] =>
      of
        .deleted()
        .filter(({ workspace }) => workspace.id === id)
        .map(({ workspace }) => workspace.epoch);
    const first = await workspaces.put(id, {}, CONTEXT);
    await workspaces.delete(id, CONTEXT, 0);
    const second = await workspaces.put(id, {}, CONTEXT);
    await workspaces.delete(id, CONTEXT, 0);
    const other = await open();
    for (const each of [workspaces, other]) {
      assert.deepEqual(left(each), [first.epoch, second.epoch]);
    }
    await workspaces.purged(first);
    assert.deepEqual(left(workspaces), [second.epoch]);
    await until('the other node knows', () => left(other).length === 1);
    await other.purged(second);
    assert.deepEqual(left(await open()), []);
  });

  it('tell, when the node stops, whoever waits for them', async () => {
    let ahead = 0;
    const own = await open(
      withMethods(log, {
        bounds: async (of) => {
          const bounds = await log.bounds(of);
          return { ...bounds, next: (bounds.next + ahead) as Position };
        },
      }),
    );
    ahead = 1;
    const waiting = assert.rejects(own.require(id), { code: 'unavailable' });
    await own.close();
    await waiting;
  });

  it('pass over a record of theirs that is no event', async () => {
    await log.append('_system', [sealedBytes(Buffer.from('{"type":'))]);
    await workspaces.put(id, {}, CONTEXT);
    assert.equal((await open()).get(id)?.id, id);
  });

  describe('a listener', () => {
    it('is told of every workspace that is made', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const created: string[] = [];
      workspaces.onCreated((made) => created.push(made.id));
      await workspaces.put(`${id}-2`, {}, CONTEXT);
      await workspaces.put(`${id}-2`, { description: 'd' }, CONTEXT);
      assert.deepEqual(created, [`${id}-2`]);
    });

    it('is told of every deletion', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      const deleted: unknown[] = [];
      const purging: unknown[] = [];
      workspaces.onDeleted((of) => deleted.push([of.id, of.epoch]));
      workspaces.onPurging((of) => purging.push([of.id, of.epoch]));
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      assert.deepEqual([deleted, purging], [[[id, epoch]], []]);
      await workspaces.delete(id, CONTEXT, 0);
      assert.deepEqual([deleted, purging], [[[id, epoch]], [[id, epoch]]]);
    });

    it('is told of a workspace that is back', async () => {
      const made = await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      const created: Workspace[] = [];
      workspaces.onCreated((back) => created.push(back));
      await workspaces.restore(id, CONTEXT);
      assert.deepEqual(created, [made]);
    });
  });

  it('give times that never go back', async () => {
    const workspace = await workspaces.require('_system');
    const first = workspace.acceptedAt();
    assert.ok(Math.abs(first - Date.now()) < 60_000);
    assert.ok(workspace.acceptedAt() >= first);
  });
});
