import assert from 'node:assert/strict';
import {
  ANONYMOUS,
  assertCurrent,
  isOwner,
  isReserved,
  roleOf,
  SYSTEM_WORKSPACE,
  type Caller,
} from '../src/policy.js';
import { DUTIES, parseGrants, type GrantsJson } from '../src/policy.roles.js';
import { EVERYTHING, parseFilter } from '../src/queries/filter.js';

const ADMIN = { superadmin: true };
const USER = { superadmin: false, userId: 'u1', sessionId: 's1' };
const NOTHING = { read: undefined, emit: undefined, manage: new Set() };

const holding = (role: string, caller: Partial<Caller> = {}): Caller => ({
  ...USER,
  workspaces: new Map([['w', role]]),
  ...caller,
});
const NO_TARGET = {
  $and: ['userId', 'sessionId', 'connectionId', 'topic'].map((field) => ({
    [`target.${field}`]: null,
  })),
};

describe('A role', () => {
  it('of a superadmin is to do everything', () => {
    const all = { read: EVERYTHING, emit: EVERYTHING, manage: new Set(DUTIES) };
    assert.deepEqual(roleOf(ADMIN, 'w'), all);
    assert.ok(isOwner(roleOf(ADMIN, 'w')));
  });

  it('in a workspace of the service is to read it, at most, and for a superadmin alone', () => {
    assert.ok(isReserved(SYSTEM_WORKSPACE));
    for (const workspace of ['_system', '_deadletters', '_']) {
      const reader = { read: EVERYTHING, emit: undefined, manage: new Set() };
      assert.deepEqual(roleOf(ADMIN, workspace), reader);
      const owner = { ...USER, workspaces: new Map([[workspace, 'owner']]) };
      const grants = parseGrants({ members: { u1: 'owner' } });
      assert.deepEqual(roleOf(owner, workspace, grants), NOTHING);
    }
  });

  it('is none, where nothing grants one', () => {
    const callers = [USER, ANONYMOUS, holding('none'), holding('superadmin'), holding('clerk')];
    for (const caller of [...callers, holding('constructor'), holding('__proto__')]) {
      assert.deepEqual(roleOf(caller, 'w'), NOTHING);
      assert.deepEqual(roleOf(caller, 'other'), NOTHING);
      assert.deepEqual(roleOf(caller, '_system'), NOTHING);
    }
  });

  it('is not taken from a name that only looks like one of the service', () => {
    for (const workspace of ['w_', 'system', ' _system', '-_']) {
      assert.ok(!isReserved(workspace));
    }
  });

  it('of an owner is everything in one workspace; of an editor all but its management', () => {
    const owner = roleOf(holding('owner'), 'w');
    const editor = roleOf(holding('editor'), 'w');
    assert.deepEqual([owner.read, owner.emit], [EVERYTHING, EVERYTHING]);
    assert.deepEqual([editor.read, editor.emit], [EVERYTHING, EVERYTHING]);
    assert.deepEqual([owner.manage.size, editor.manage.size], [DUTIES.length, 0]);
    assert.deepEqual([isOwner(owner), isOwner(editor)], [true, false]);
    assert.deepEqual(roleOf(holding('owner'), 'x'), NOTHING);
  });

  it('of a member is to emit, and to read what is its own or targeted at it', () => {
    const { read, emit, manage } = roleOf(holding('member', { topics: ['news'] }), 'w');
    const own = [
      { 'source.userId': 'u1' },
      { 'target.userId': 'u1' },
      { 'target.sessionId': 's1' },
      { 'target.topic': 'news' },
    ];
    const forMe = [
      [{ 'target.userId': null }, { 'target.userId': 'u1' }],
      [{ 'target.sessionId': null }, { 'target.sessionId': 's1' }],
      { 'target.connectionId': null },
      [{ 'target.topic': null }, { 'target.topic': 'news' }],
    ];
    assert.equal(read?.key, parseFilter({ $and: [own, ...forMe] }).key);
    assert.deepEqual([emit, manage.size], [EVERYTHING, 0]);
  });

  it('of a member who is nobody in particular is to emit', () => {
    const nobody = { superadmin: false, workspaces: new Map([['w', 'member']]) };
    assert.deepEqual(roleOf(nobody, 'w'), { ...NOTHING, emit: EVERYTHING });
  });

  it('that a workspace defines reads what it says, less what is targeted at others', () => {
    const grants = parseGrants({
      roles: { clerk: { read: { type: 'order.*' }, manage: ['keys'] } },
    });
    const caller = { superadmin: false, workspaces: new Map([['w', 'clerk']]) };
    const { read, emit, manage } = roleOf(caller, 'w', grants);
    assert.equal(read?.key, parseFilter({ $and: [{ type: 'order.*' }, NO_TARGET] }).key);
    assert.equal(emit, undefined);
    assert.deepEqual([...manage], ['keys']);
  });

  it('from a claim and one from the configuration count together', () => {
    const grants = parseGrants({
      roles: { clerk: { read: { type: 'a' }, emit: { type: 'b' }, manage: ['audit'] } },
      members: { u1: 'clerk' },
    });
    assert.deepEqual(roleOf(holding('editor'), 'w', grants), {
      read: EVERYTHING,
      emit: EVERYTHING,
      manage: new Set(['audit']),
    });
    assert.deepEqual(roleOf(holding('none'), 'w', grants), roleOf(USER, 'w', grants));
    assert.deepEqual(roleOf({ ...USER, userId: 'u2' }, 'w', grants), NOTHING);
  });

  it('is the same object for the same caller, until the workspace grants something else', () => {
    const [before, after] = [parseGrants({}), parseGrants({})];
    const caller = holding('member');
    assert.equal(roleOf(caller, 'w', before), roleOf(caller, 'w', before));
    assert.notEqual(roleOf(caller, 'w', before), roleOf(caller, 'w', after));
    assert.equal(
      roleOf(caller, 'w', before).read?.key,
      roleOf(holding('member'), 'w', before).read?.key,
    );
  });

  it('of a key counts in its workspace, and until it is revoked', () => {
    const key = { id: 'k', workspace: 'w', role: 'owner', isRevoked: false };
    const caller: Caller = { superadmin: false, key: key };
    assert.ok(isOwner(roleOf(caller, 'w')));
    assert.deepEqual(roleOf(caller, 'x'), NOTHING);
    assert.doesNotThrow(() => {
      assertCurrent(caller);
    });
    key.isRevoked = true;
    assert.deepEqual(roleOf(caller, 'w'), NOTHING);
    assert.throws(() => {
      assertCurrent(caller);
    }, /revoked/);
  });

  it('is for nobody whose credential has expired', () => {
    assert.throws(
      () => {
        assertCurrent({ ...USER, expiresAt: Date.now() - 1 });
      },
      { code: 'unauthorized' },
    );
  });
});

describe('What a workspace grants', () => {
  const refused: Record<string, [json: GrantsJson, code: string, path: string]> = {
    'a filter that is none': [
      { roles: { r: { read: { colour: 1 } } } },
      'invalid-filter',
      'roles.r.read.colour',
    ],
    'an empty list': [{ roles: { r: { emit: [] } } }, 'invalid-filter', 'roles.r.emit'],
    'a member of a role that there is not': [{ members: { u: 'r' } }, 'invalid-body', 'members.u'],
  };
  for (const [fault, [json, code, path]] of Object.entries(refused)) {
    it(`is refused for ${fault}, with its place`, () => {
      assert.throws(
        () => parseGrants(json),
        (error: { code: string; errors: { path: string }[] }) =>
          error.code === code && error.errors[0]?.path === path,
      );
    });
  }
});
