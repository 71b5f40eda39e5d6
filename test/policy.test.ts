import assert from 'node:assert/strict';
import { assertManages, isReserved, roleOf, SYSTEM_WORKSPACE } from '../src/policy.js';
import { EVERYTHING } from '../src/queries/filter.js';

const ADMIN = { superadmin: true };
const USER = { superadmin: false, userId: 'u1', sessionId: 's1' };

describe('A role', () => {
  it('of a superadmin is to do everything', () => {
    const all = { read: EVERYTHING, emit: EVERYTHING, manage: true };
    assert.deepEqual(roleOf(ADMIN, 'w'), all);
    assert.doesNotThrow(() => {
      assertManages(ADMIN, 'w');
    });
  });

  it('in a workspace of the service is to read it, at most', () => {
    assert.ok(isReserved(SYSTEM_WORKSPACE));
    for (const workspace of ['_system', '_deadletters', '_']) {
      const reader = { read: EVERYTHING, emit: undefined, manage: false };
      assert.deepEqual(roleOf(ADMIN, workspace), reader);
      assert.throws(
        () => {
          assertManages(ADMIN, workspace);
        },
        { code: 'forbidden' },
      );
    }
  });

  it('is none, where nothing grants one', () => {
    for (const workspace of ['w', '_system']) {
      const none = { read: undefined, emit: undefined, manage: false };
      assert.deepEqual(roleOf(USER, workspace), none);
      assert.throws(
        () => {
          assertManages(USER, workspace);
        },
        { code: 'forbidden', message: new RegExp(`workspace ${workspace}\\.$`) },
      );
    }
  });

  it('is not taken from a name that only looks like one of the service', () => {
    for (const workspace of ['w_', 'system', ' _system', '-_']) {
      assert.ok(!isReserved(workspace));
    }
  });
});
