import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { QuotaKeeper, Taker } from '../../src/commands/quotas.js';
import { Workspace } from '../../src/commands/workspace.js';
import type { ServiceError } from '../../src/errors.js';
import { SUPERADMIN_CALLER, type Caller } from '../../src/policy.js';
import { boundOf, type QuotasJson, type Rate } from '../../src/quota.js';
import { quotas } from '../support/quotas.js';

const WORKSPACE = 'w';
const RATE: Rate = 'eventsPerSecond';

const of = (caller: Caller, workspace = WORKSPACE): Taker => ({ workspace, caller });
const user = (userId: string): Caller => ({ superadmin: false, userId });
const ALICE = of(user('alice'));
const BOB = of(user('bob'));

/** How many seconds a caller is told to wait; 0 where it need not. */
function waitOf(keeper: QuotaKeeper, amount: number, taker: Taker): number {
  try {
    keeper.take({ [RATE]: amount }, taker);
    return 0;
  } catch (error) {
    assert.equal((error as ServiceError).code, 'quota-exceeded');
    return (error as ServiceError).retryAfterSeconds!;
  }
}

describe('Quotas', () => {
  let own: QuotasJson | undefined;
  /** In ms. */
  let now: number;
  const workspaces = {
    get: (id: string): Workspace =>
      new Workspace(id, 'e', new Date(0).toISOString(), own ? { quotas: own } : {}),
  };

  beforeEach(() => {
    own = undefined;
    now = 1_000_000;
    mock.method(performance, 'now', () => now);
  });
  afterEach(() => {
    mock.restoreAll();
  });

  it('let through so much a second, and tell when there is room again', () => {
    const keeper = quotas(workspaces, { caller: { eventsPerSecond: 10 } });
    for (let n = 0; n < 10; n++) {
      assert.equal(waitOf(keeper, 1, ALICE), 0);
    }
    assert.equal(waitOf(keeper, 1, ALICE), 1);
    now += 1000;
    assert.equal(waitOf(keeper, 10, ALICE), 0);
  });

  it('let a batch through that is larger, and make what comes behind it wait', () => {
    const keeper = quotas(workspaces, { caller: { eventsPerSecond: 10 } });
    assert.equal(waitOf(keeper, 5, ALICE), 0);
    assert.equal(waitOf(keeper, 95, ALICE), 0);
    assert.equal(waitOf(keeper, 1, ALICE), 10);
    // What is refused does not make the wait longer.
    assert.equal(waitOf(keeper, 1000, ALICE), 10);
    now += 9_099;
    assert.equal(waitOf(keeper, 1, ALICE), 1);
    now += 1;
    assert.equal(waitOf(keeper, 1, ALICE), 0);
  });

  it('give room back evenly to who has used it up', () => {
    const keeper = quotas(workspaces, { caller: { eventsPerSecond: 10 } });
    let accepted = 0;
    for (const end = now + 5000; now < end; now += 7) {
      const before = accepted;
      while (waitOf(keeper, 1, ALICE) === 0) {
        accepted++;
      }
      assert.ok(accepted - before <= (accepted > 10 ? 1 : 10), 'it came at once');
    }
    assert.ok(accepted >= 59 && accepted <= 60, `${String(accepted)} events in 5 s`);
  });

  it('of bytes and of events are taken both or neither', () => {
    const keeper = quotas(workspaces, { caller: { eventsPerSecond: 10, bytesPerSecond: 100 } });
    const take = (events: number, bytes: number): void => {
      keeper.take({ bytesPerSecond: bytes, eventsPerSecond: events }, ALICE);
    };
    take(9, 100);
    assert.throws(() => {
      take(1, 1);
    }, /100 bytes a second/);
    assert.equal(waitOf(keeper, 1, ALICE), 0);
    assert.equal(waitOf(keeper, 1, ALICE), 1);
  });

  it('only look where nothing is taken', () => {
    const keeper = quotas(workspaces, { caller: { eventsPerSecond: 1 } });
    assert.equal(waitOf(keeper, 0, ALICE), 0);
    assert.equal(waitOf(keeper, 1, ALICE), 0);
    assert.equal(waitOf(keeper, 0, ALICE), 1);
  });

  it('are of each caller, of each of the keys, and of the workspace', async () => {
    const keeper = quotas(workspaces, {
      caller: { eventsPerSecond: 10 },
      workspace: { eventsPerSecond: 25 },
    });
    const key = { id: 'k1', workspace: WORKSPACE, role: 'owner', isRevoked: false };
    const byKey = of({ superadmin: false, userId: 'alice', key });
    assert.equal(waitOf(keeper, 10, ALICE), 0);
    assert.equal(waitOf(keeper, 1, ALICE), 1);
    assert.equal(waitOf(keeper, 10, byKey), 0);
    assert.equal(waitOf(keeper, 5, BOB), 0);
    // The workspace has had its 25: who was over their own quota has taken nothing of them.
    assert.throws(() => {
      keeper.take({ [RATE]: 1 }, BOB);
    }, /The workspace w has 25 events a second/);
    assert.equal(waitOf(keeper, 10, of(user('alice'), 'another')), 0);
  });

  it('of a caller are none of a superadmin, whose events count for the workspace', async () => {
    const keeper = quotas(workspaces, {
      caller: { eventsPerSecond: 1 },
      workspace: { eventsPerSecond: 5 },
    });
    assert.equal(waitOf(keeper, 5, of(SUPERADMIN_CALLER)), 0);
    assert.equal(waitOf(keeper, 1, of(SUPERADMIN_CALLER)), 1);
  });

  it('that a workspace has of its own hold in place of the others', () => {
    const keeper = quotas(workspaces, { caller: { eventsPerSecond: 1 } });
    own = { caller: { eventsPerSecond: 3 } };
    assert.equal(waitOf(keeper, 3, ALICE), 0);
    assert.equal(waitOf(keeper, 1, ALICE), 1);
    own = { caller: { eventsPerSecond: null } };
    assert.equal(waitOf(keeper, 1000, ALICE), 0);
    now += 1000;
    own = { workspace: { eventsPerSecond: 2 } };
    assert.equal(waitOf(keeper, 1, ALICE), 0);
    assert.equal(waitOf(keeper, 1, ALICE), 1);
  });

  it('make a stream wait until there is room', async () => {
    const keeper = quotas(workspaces, { caller: { bytesPerSecond: 10 } });
    await keeper.takeInTime({ bytesPerSecond: 30 }, ALICE);
    mock.restoreAll();
    const began = performance.now();
    const small = quotas(workspaces, { caller: { bytesPerSecond: 100 } });
    await small.takeInTime({ bytesPerSecond: 200 }, ALICE);
    await small.takeInTime({ bytesPerSecond: 1 }, ALICE);
    assert.ok(performance.now() - began >= 1000, 'it did not wait');
  });

  it('of places are taken until they are given back, once each', () => {
    const keeper = quotas(workspaces, {
      caller: { connections: 2 },
      workspace: { connections: 3 },
    });
    const leave = keeper.enter('connections', ALICE);
    keeper.enter('connections', ALICE);
    const full = { code: 'limit-exceeded', message: /^You have at most 2 connections at once/ };
    assert.throws(() => keeper.enter('connections', ALICE), full);
    keeper.enter('subscriptions', ALICE);
    keeper.enter('connections', BOB);
    assert.throws(() => keeper.enter('connections', BOB), /The workspace w has at most 3/);
    leave();
    leave();
    keeper.enter('connections', BOB);
    assert.throws(() => keeper.enter('connections', BOB), { code: 'limit-exceeded' });
  });

  it('are those of the service where a workspace does not say', () => {
    const all = (bound: number): Record<'workspace' | 'caller', Record<string, number>> => ({
      workspace: { connections: bound },
      caller: { connections: bound + 1 },
    });
    const defaults = all(5) as unknown as Parameters<typeof boundOf>[1];
    assert.equal(boundOf({}, defaults, 'caller', 'connections'), 6);
    assert.equal(boundOf({ caller: {} }, defaults, 'workspace', 'connections'), 5);
    assert.equal(boundOf({ caller: { connections: 9 } }, defaults, 'caller', 'connections'), 9);
    const none = { caller: { connections: null } };
    assert.equal(boundOf(none, defaults, 'caller', 'connections'), Infinity);
  });
});
