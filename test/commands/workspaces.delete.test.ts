import assert from 'node:assert/strict';
import type { EventLog } from '../../src/commands/log.js';
import type { Workspace } from '../../src/commands/workspace.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import type { ServiceError } from '../../src/errors.js';
import { CONTEXT, Gate, withMethods } from '../support/backends.js';
import { until } from '../until.js';
import { MISSING, shown, withFolds, type Folds } from './folds.js';
import { range, readAll, sealed } from './sealed.js';

const HOUR_MS = 3_600_000;

describe('The deletion of a workspace', () => {
  let folds: Folds;
  let log: EventLog;
  let id: string;
  let workspaces: Workspaces;

  withFolds((made) => {
    folds = made;
    ({ log, id, workspaces } = made);
  });

  describe('with a grace', () => {
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
        ...MISSING,
        message: new RegExp(`Restore it with POST /v2/workspaces/${id}/restore, until 2`),
      });
      await assert.rejects(workspaces.delete(id, CONTEXT, HOUR_MS), MISSING);
      assert.equal((await log.bounds(id)).epoch, epoch);
      const { purgeAt, deletedAt } = workspaces.deleted().at(-1)!;
      assert.ok(new Date(purgeAt).getTime() - before >= HOUR_MS);
      assert.ok(new Date(deletedAt).getTime() >= before);
      assert.deepEqual(await folds.told(), ['workspace.created', 'workspace.deleted']);
    });

    it('keeps the name, and says what to do about that', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const other = await folds.open();
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      const refused = {
        code: 'workspace-deleted',
        message: new RegExp(`POST /v2/workspaces/${id}/restore, or purge it with DELETE .*grace=0`),
      };
      await until('the other node knows', () => !other.get(id));
      for (const node of [workspaces, other, await folds.open()]) {
        await assert.rejects(node.obtain(id, CONTEXT), refused);
        await assert.rejects(node.put(id, {}, CONTEXT), refused);
      }
      assert.deepEqual(await folds.told(), ['workspace.created', 'workspace.deleted']);
    });

    it('ends with a restore, as it was and in its epoch, on every node', async () => {
      const made = await workspaces.put(id, { description: 'd' }, CONTEXT);
      await log.append(id, [sealed(1)]);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      const other = await folds.open();
      assert.deepEqual(restorable(other), [made.epoch]);
      const back = await other.restore(id, CONTEXT);
      assert.deepEqual(shown(back), shown(made));
      // The same as before, which remembers what it was sent.
      assert.equal(await until('this node knows', () => workspaces.get(id)), made);
      assert.deepEqual(restorable(), []);
      assert.equal((await readAll(log, id)).length, 1);
      assert.equal(await workspaces.restore(id, CONTEXT), made);
      assert.deepEqual(shown(await (await folds.open()).require(id)), shown(made));
      assert.deepEqual(await folds.told(), [
        'workspace.created',
        'workspace.deleted',
        'workspace.restored',
      ]);
    });

    it('can be cut short, which makes way for another of the name', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      await workspaces.delete(id, CONTEXT, 0);
      await assert.rejects(log.bounds(id), MISSING);
      await assert.rejects(workspaces.restore(id, CONTEXT), MISSING);
      assert.notEqual((await workspaces.obtain(id, CONTEXT)).epoch, epoch);
    });

    it('of which a purge has begun cannot be restored, nor the other way round', async () => {
      for (const first of ['restore', 'purge'] as const) {
        const name = `${id}-${first}`;
        const made = await workspaces.put(name, {}, CONTEXT);
        await workspaces.delete(name, CONTEXT, HOUR_MS);
        const other = await folds.open();
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
        await (isBack ? log.bounds(name) : assert.rejects(log.bounds(name), MISSING));
      }
    });

    it('is of the first deletion, where two nodes delete at once', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const other = await folds.open();
      await Promise.all([
        workspaces.delete(id, CONTEXT, HOUR_MS),
        other.delete(id, CONTEXT, HOUR_MS).catch((error: unknown) => {
          assert.equal((error as ServiceError).code, MISSING.code);
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

  describe('without a grace', () => {
    it('takes the workspace and its log, and says so first', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, 0);
      assert.equal(workspaces.get(id), undefined);
      await assert.rejects(log.bounds(id), MISSING);
      await assert.rejects(workspaces.delete(id, CONTEXT, 0), MISSING);
      assert.deepEqual(await folds.told(), ['workspace.created', 'workspace.deleted']);
    });

    it('is done once for all who ask at once', async () => {
      await workspaces.put(id, {}, CONTEXT);
      await Promise.all(range(0, 5).map(() => workspaces.delete(id, CONTEXT, 0)));
      assert.deepEqual(await folds.told(), ['workspace.created', 'workspace.deleted']);
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
      const own = await folds.open(
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
      const own = await folds.open(
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

  it('is known until nothing is left', async () => {
    const left = (of: Workspaces): string[] =>
      of
        .deleted()
        .filter(({ workspace }) => workspace.id === id)
        .map(({ workspace }) => workspace.epoch);
    const first = await workspaces.put(id, {}, CONTEXT);
    await workspaces.delete(id, CONTEXT, 0);
    const second = await workspaces.put(id, {}, CONTEXT);
    await workspaces.delete(id, CONTEXT, 0);
    const other = await folds.open();
    for (const each of [workspaces, other]) {
      assert.deepEqual(left(each), [first.epoch, second.epoch]);
    }
    await workspaces.purged(first);
    assert.deepEqual(left(workspaces), [second.epoch]);
    await until('the other node knows', () => left(other).length === 1);
    await other.purged(second);
    assert.deepEqual(left(await folds.open()), []);
  });

  describe('has a listener', () => {
    it('told of it, and of its end', async () => {
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

    it('told of a workspace that is back', async () => {
      const made = await workspaces.put(id, {}, CONTEXT);
      await workspaces.delete(id, CONTEXT, HOUR_MS);
      const created: Workspace[] = [];
      workspaces.onCreated((back) => created.push(back));
      await workspaces.restore(id, CONTEXT);
      assert.deepEqual(created, [made]);
    });
  });
});
