import assert from 'node:assert/strict';
import { LogTruncated, type EventLog } from '../../src/commands/log.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import type { Position } from '../../src/event.js';
import { until } from '../until.js';
import { CONTEXT, Gate, withMethods } from '../support/backends.js';
import { MISSING, shown, withFolds, type Folds } from './folds.js';
import { range, readAll, sealedBytes } from './sealed.js';

const HOUR_MS = 3_600_000;

describe('Workspaces', () => {
  let log: EventLog;
  let workspaces: Workspaces;
  let id: string;
  let open: Folds['open'];
  let told: Folds['told'];

  withFolds((folds) => {
    ({ log, workspaces, id, open, told } = folds);
  });

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

    it('configures also one that an emit begins to make meanwhile', async () => {
      const [put] = await Promise.all([
        workspaces.put(id, { redact: ['payload.a'] }, CONTEXT),
        workspaces.obtain(id, CONTEXT),
      ]);
      assert.deepEqual(put.config, { redact: ['payload.a'] });
      assert.deepEqual(await told(), ['workspace.created', 'workspace.configured']);
    });

    it('configures also one that another node makes meanwhile', async () => {
      const gate = new Gate();
      const retained: unknown[] = [];
      const own = await open(
        withMethods(log, {
          create: async (workspace, retention) => {
            await (workspace === id ? gate.pass() : undefined);
            return log.create(workspace, retention);
          },
          retain: (workspace, epoch, retention) => {
            retained.push(retention);
            return log.retain(workspace, epoch, retention);
          },
        }),
      );
      const config = { redact: ['payload.a'], retention: { log: { hours: 1 } } };
      const putting = own.put(id, config, CONTEXT);
      await gate.reached;
      await workspaces.obtain(id, CONTEXT);
      gate.open();
      assert.deepEqual((await putting).config, config);
      assert.deepEqual(retained, [{ maxAgeMs: HOUR_MS }]);
      await until('the other node knows', () => workspaces.get(id)?.config.redact);
    });

    it('configures also one that is deleted and made again meanwhile', async () => {
      await workspaces.put(id, {}, CONTEXT);
      const gate = new Gate();
      const own = await open(
        withMethods(log, {
          append: async (workspace, records) => {
            await (records[0]!.event.type === 'workspace.configured' ? gate.pass() : undefined);
            return log.append(workspace, records);
          },
        }),
      );
      const putting = own.put(id, { redact: ['payload.a'] }, CONTEXT);
      await gate.reached;
      await workspaces.delete(id, CONTEXT, 0);
      const { epoch } = await workspaces.obtain(id, CONTEXT);
      gate.open();
      const put = await putting;
      assert.deepEqual([put.epoch, put.config], [epoch, { redact: ['payload.a'] }]);
    });

    it('is recorded once where the same is put at once', async () => {
      const config = { redact: ['payload.a'], retention: { log: { hours: 1 } } };
      await Promise.all(range(0, 5).map(() => workspaces.put(id, config, CONTEXT)));
      assert.deepEqual(await told(), ['workspace.created']);
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
      const strict = await open(log, { autoCreate: false });
      await assert.rejects(workspaces.obtain(`_${id}`, CONTEXT), MISSING);
      await assert.rejects(strict.obtain(id, CONTEXT), MISSING);
      await assert.rejects(strict.require(id), MISSING);
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
    const own = await open(log, {
      retention: { log: { maxAgeMs: HOUR_MS }, history: { maxAgeMs: 9 * HOUR_MS } },
    });
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

    it('ends the node where what is folded is not in the log any more', async () => {
      const fatal: Error[] = [];
      const breaking = withMethods(log, {
        follow: async function* (of, epoch, after, signal) {
          for await (const batch of log.follow(of, epoch, after, signal)) {
            yield batch;
            throw new LogTruncated(of, batch.last);
          }
        },
      });
      await open(breaking, { onFatal: (error) => fatal.push(error) });
      await until('it is told', () => fatal.length > 0);
      assert.ok(fatal.length === 1 && fatal[0] instanceof LogTruncated);
    });

    it('passes over what is about an earlier incarnation', async () => {
      const { epoch } = await workspaces.put(id, {}, CONTEXT);
      const earlier = { workspace: id, epoch: 'abcdefgh' };
      await workspaces.record('workspace.deleted', earlier, CONTEXT);
      assert.equal(workspaces.get(id)?.epoch, epoch);
      const config = { description: 'd' };
      await workspaces.record('workspace.configured', { ...earlier, config }, CONTEXT);
      assert.deepEqual(workspaces.get(id)?.config, {});
      // Earlier releases did not record of which it is.
      await workspaces.record('workspace.configured', { workspace: id, config }, CONTEXT);
      assert.deepEqual(workspaces.get(id)?.config, config);
      await workspaces.record('workspace.configured', { workspace: 'x', config: {} }, CONTEXT);
      assert.equal(workspaces.get('x'), undefined);
    });
  });

  describe('of several nodes', () => {
    it('know at once what another has made', async () => {
      const other = await open(log, { autoCreate: false });
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
  });

  it('give times that never go back', async () => {
    const workspace = await workspaces.require('_system');
    const first = workspace.acceptedAt();
    assert.ok(Math.abs(first - Date.now()) < 60_000);
    assert.ok(workspace.acceptedAt() >= first);
  });
});
