import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import { Workspaces, type Workspace } from '../../src/commands/workspaces.js';
import { until } from '../until.js';
import { CONTEXT, Gate, withBackEnds, withMethods } from '../support/backends.js';
import { range, readAll, sealed } from './sealed.js';

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
    const own = await Workspaces.open(on, autoCreate);
    opened.push(own);
    return own;
  };
  const told = async (): Promise<string[]> =>
    (await readAll(log, '_system'))
      .filter(({ event }) => event.payload.workspace === id)
      .map(({ event }) => event.type);
  const shown = ({ epoch, createdAt, config }: Workspace): unknown => ({
    epoch,
    createdAt,
    config,
  });
  const missing = { code: 'workspace-not-found' };

  it('begin with that of the service', async () => {
    const system = workspaces.require('_system');
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
      assert.equal(workspaces.require(id), made);
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
      assert.throws(() => strict.require(id), missing);
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

  describe('delete', () => {
    it('takes the workspace and its log, and says so first', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT);
      assert.equal(workspaces.get(id), undefined);
      await assert.rejects(log.bounds(id), missing);
      await assert.rejects(workspaces.delete(id, CONTEXT), missing);
      assert.deepEqual(await told(), ['workspace.created', 'workspace.deleted']);
    });

    it('is done once for all who ask at once', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await Promise.all(range(0, 5).map(() => workspaces.delete(id, CONTEXT)));
      assert.deepEqual(await told(), ['workspace.created', 'workspace.deleted']);
    });

    it('makes way for another of the same name, in another epoch', async () => {
      const first = await workspaces.put(id, { description: 'old' }, CONTEXT);
      await workspaces.delete(id, CONTEXT);
      const second = await workspaces.obtain(id, CONTEXT);
      assert.notEqual(second, first);
      assert.notEqual(second.epoch, first.epoch);
      assert.deepEqual(second.config, {});
    });

    it('does not take the log of one that is made again before it is done', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      let made = false;
      const gate = new Gate();
      const own = await open(
        withMethods(log, {
          create: (workspace, retention) => {
            made ||= workspace === id;
            return log.create(workspace, retention);
          },
          drop: async (workspace) => {
            await (workspace === id ? gate.pass() : undefined);
            await log.drop(workspace);
          },
        }),
      );
      const deleting = own.delete(id, CONTEXT);
      await gate.reached;
      const making = own.obtain(id, CONTEXT);
      const configuring = own.put(id, {}, CONTEXT);
      assert.ok(!made, 'the log to drop and the log to make are mistaken for each other');
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
          drop: (workspace) =>
            workspace === id && failures-- > 0
              ? Promise.reject(new Error('no drop'))
              : log.drop(workspace),
        }),
      );
      await assert.rejects(own.delete(id, CONTEXT), /no drop/);
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
      await workspaces.delete(`${id}-2`, CONTEXT);
      const again = await open();
      assert.deepEqual(shown(again.require(id)), shown(kept));
      assert.equal(again.get(`${id}-2`), undefined);
      assert.equal(again.list().length, workspaces.list().length);
    });

    it('follows what other nodes do', async () => {
      const other = await open();
      const made = await other.put(id, { description: 'd' }, CONTEXT);
      const seen = await until('the other node knows it', () => workspaces.get(id));
      assert.deepEqual(shown(seen), shown(made));
      await other.delete(id, CONTEXT);
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

  describe('a start', () => {
    it('drops the log that a crash has left behind a deletion', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await workspaces.record('workspace.deleted', { workspace: id, epoch }, CONTEXT);
      assert.equal((await log.bounds(id)).epoch, epoch);
      const again = await open();
      await assert.rejects(log.bounds(id), missing);
      assert.equal(again.get(id), undefined);
    });

    it('keeps the log of a workspace that was made again', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT);
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await open();
      assert.equal((await log.bounds(id)).epoch, epoch);
    });
  });

  describe('a listener', () => {
    it('is told of every workspace, of those before it too', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const created: string[] = [];
      workspaces.onCreated((each) => created.push(each));
      assert.deepEqual(new Set(created), new Set(workspaces.list().map((each) => each.id)));
      await workspaces.put(`${id}-2`, {}, CONTEXT);
      await workspaces.put(`${id}-2`, { description: 'd' }, CONTEXT);
      assert.equal(created.at(-1), `${id}-2`);
      assert.equal(created.filter((each) => each === `${id}-2`).length, 1);
    });

    it('is told of every deletion, of earlier ones too, but for what was made again', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await workspaces.put(`${id}-2`, {}, CONTEXT);
      const deleted: string[] = [];
      await workspaces.delete(id, CONTEXT);
      await workspaces.delete(`${id}-2`, CONTEXT);
      await workspaces.put(`${id}-2`, {}, CONTEXT);
      workspaces.onDeleted((each) => deleted.push(each));
      assert.ok(deleted.includes(id) && !deleted.includes(`${id}-2`));
      await workspaces.delete(`${id}-2`, CONTEXT);
      assert.equal(deleted.at(-1), `${id}-2`);
    });
  });

  it('give times that never go back', () => {
    const workspace = workspaces.require('_system');
    const first = workspace.acceptedAt();
    assert.ok(Math.abs(first - Date.now()) < 60_000);
    assert.ok(workspace.acceptedAt() >= first);
  });
});
