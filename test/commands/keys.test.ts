import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import { Keyring } from '../../src/commands/keyring.js';
import { Keys, keysMax } from '../../src/commands/keys.js';
import type { Workspace } from '../../src/commands/workspace.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { BEFORE_FIRST, type Event } from '../../src/event.js';
import { SYSTEM_WORKSPACE } from '../../src/policy.js';
import { CONTEXT, withBackEnds, type BackEnds } from '../support/backends.js';

const HOUR_MS = 60 * 60 * 1000;

describe('An API key', () => {
  let backEnds: BackEnds;
  let opened: Workspaces[];
  let workspaces: Workspaces;
  let keys: Keys;
  let workspace: Workspace;

  withBackEnds((given) => {
    backEnds = given;
  });

  /** As a node that starts folds them. */
  async function open(): Promise<{ workspaces: Workspaces; keys: Keys }> {
    const ring = new Keyring();
    const folded = await Workspaces.open(backEnds.log, {
      autoCreate: true,
      retention: {},
      fold: (event) => {
        ring.fold(event);
      },
    });
    opened.push(folded);
    return { workspaces: folded, keys: new Keys(ring, folded) };
  }

  beforeEach(async () => {
    opened = [];
    ({ workspaces, keys } = await open());
    workspace = await workspaces.obtain(`w-${randomUUID()}`, CONTEXT);
  });
  afterEach(async () => {
    mock.timers.reset();
    await Promise.all(opened.map((each) => each.close()));
  });

  const issue = (request: Record<string, string> = {}) =>
    keys.issue(workspace, { role: 'owner', ...request }, CONTEXT);

  async function system(): Promise<Event[]> {
    const { records } = await backEnds.log.read(SYSTEM_WORKSPACE, BEFORE_FIRST, 10_000_000);
    return records.map(({ event }) => event).filter(({ type }) => type.startsWith('key.'));
  }

  it('is told once: no event has it, but its hash', async () => {
    const { key, secret } = await issue({ description: 'the till' });
    assert.match(secret, /^wek_[0-9a-f]{16}_[\w-]{43}$/);
    const events = JSON.stringify(await system());
    assert.ok(events.includes(key.id) && events.includes('the till'));
    assert.ok(!events.includes(secret.slice(-43)));
    assert.equal((await keys.callerWith(secret)).userId, `key:${key.id}`);
  });

  it('is known to a node that has started since, and to one that runs, at once', async () => {
    const running = await open();
    const { secret } = await issue();
    assert.equal((await running.keys.callerWith(secret)).key?.workspace, workspace.id);
    const started = await open();
    assert.equal((await started.keys.callerWith(secret)).key?.role, 'owner');
  });

  it('does not count with another secret, or one that is none', async () => {
    const { secret } = await issue();
    const { secret: other } = await issue();
    const mixed = secret.slice(0, 20) + other.slice(20);
    for (const wrong of [mixed, secret.slice(0, -1), `${secret}x`, 'wek_', '', ` ${secret}`]) {
      await assert.rejects(keys.callerWith(wrong), { code: 'unauthorized' });
    }
  });

  it('counts until it is revoked, and no longer than it says', async () => {
    const { key, secret } = await issue();
    const caller = await keys.callerWith(secret);
    await keys.revoke(workspace, key.id, CONTEXT);
    await assert.rejects(keys.callerWith(secret), { code: 'unauthorized' });
    assert.equal(caller.key?.isRevoked, true);
    assert.deepEqual(keys.list(workspace), []);
    await assert.rejects(keys.revoke(workspace, key.id, CONTEXT), { code: 'not-found' });

    const expiresAt = new Date(Date.now() + HOUR_MS).toISOString();
    const { secret: short } = await issue({ expiresAt });
    await keys.callerWith(short);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + HOUR_MS });
    await assert.rejects(keys.callerWith(short), { code: 'unauthorized', message: /expired/ });
  });

  it('is revoked by its own workspace alone, and goes with it', async () => {
    const { key, secret } = await issue();
    const other = await workspaces.obtain('other', CONTEXT);
    await assert.rejects(keys.revoke(other, key.id, CONTEXT), { code: 'not-found' });
    await workspaces.delete(workspace.id, CONTEXT, 0);
    const again = await workspaces.obtain(workspace.id, CONTEXT);
    assert.deepEqual(keys.list(again), []);
    await assert.rejects(keys.callerWith(secret), { code: 'unauthorized' });
    assert.deepEqual(keys.list((await open()).workspaces.get(workspace.id)!), []);
  });

  it('is told to be in use, once an hour', async () => {
    const { key, secret } = await issue();
    const used = async (): Promise<number> =>
      (await system()).filter(({ type, payload }) => type === 'key.used' && payload.key === key.id)
        .length;
    await Promise.all([keys.callerWith(secret), keys.callerWith(secret)]);
    await workspaces.record('test', {}, CONTEXT);
    assert.equal(await used(), 1);
    assert.ok(keys.list(workspace)[0]!.lastUsedAt);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + HOUR_MS + 1000 });
    await keys.callerWith(secret);
    await workspaces.record('test', {}, CONTEXT);
    assert.equal(await used(), 2);
  });

  it('is one of so many', async () => {
    await Promise.all(Array.from({ length: keysMax }, () => issue()));
    await assert.rejects(issue(), { code: 'limit-exceeded' });
  });
});
