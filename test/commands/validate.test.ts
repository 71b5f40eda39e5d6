import assert from 'node:assert/strict';
import { faults, schema, validate } from '../../src/commands/validate.js';
import type { WorkspaceConfig } from '../../src/commands/workspace.js';
import { ServiceError, type Fault } from '../../src/errors.js';
import type { Json } from '../../src/event.js';

const DRAFT = { type: 'order.paid', payload: { total: 12 } };

/** The first fault of what is refused. */
function refused(sent: unknown): Fault & { told: string } {
  try {
    validate(sent);
  } catch (error) {
    assert.ok(error instanceof ServiceError);
    assert.equal(error.code, 'invalid-event');
    assert.equal(error.errors?.length, 1);
    return { ...error.errors[0]!, told: error.message };
  }
  assert.fail(`${JSON.stringify(sent)} was taken`);
}

function takes(field: string, values: readonly unknown[]): void {
  for (const value of values) {
    const draft = { ...DRAFT, [field]: value };
    assert.equal(validate(draft), draft, JSON.stringify(value));
  }
}

function refuses(field: string, values: readonly unknown[], path = field): void {
  for (const value of values) {
    assert.equal(refused({ ...DRAFT, [field]: value }).path, path, JSON.stringify(value));
  }
}

describe('What a producer sends', () => {
  it('is a type and a payload, and all else may be absent', () => {
    assert.equal(validate(DRAFT), DRAFT);
    const all = {
      ...DRAFT,
      id: 'o-1',
      target: { userId: 'u', sessionId: 's', connectionId: 'c', topic: 't' },
      options: { persist: false },
      time: '2001-01-15T08:30:00Z',
    };
    assert.equal(validate(all), all);
  });

  it('must be an object', () => {
    for (const sent of [null, undefined, 1, 'a', [], [DRAFT], true]) {
      const { path, told } = refused(sent);
      assert.equal(path, '');
      assert.match(told, /^The event must be object/);
    }
  });

  it('must have a type and a payload', () => {
    assert.match(refused({ payload: {} }).told, /^type is required/);
    assert.match(refused({ type: 'a' }).told, /^payload is required/);
  });

  it('may have no other field, least of all those that the server sets', () => {
    for (const field of ['source', 'createdAt', 'workspaceId', 'position', 'error', 'x']) {
      const { path, message } = refused({ ...DRAFT, [field]: {} });
      assert.equal(path, field);
      assert.match(message, /^is not known here; known: id, type, payload/);
    }
  });

  it('has a dotted type of 256 characters at most', () => {
    takes('type', ['a', 'order.paid', 'A-1_b.c.D', '1', '_', 'a'.repeat(256)]);
    const wrong = ['', '.', 'a.', '.a', 'a..b', 'a b', 'a/b', 'ä', 'a\n', 'a"', 'a'.repeat(257)];
    refuses('type', [...wrong, 1, null, {}]);
  });

  it('has an id of 1 to 128 visible ASCII characters', () => {
    takes('id', ['a', '!', '~', '"', '\\', 'a'.repeat(128), '*']);
    refuses('id', ['', ' ', 'a b', 'é', 'a\n', '\u007f', 'a'.repeat(129), 1, null]);
  });

  it('has an object as its payload', () => {
    takes('payload', [{}, { a: null }, { '': { '': [] } }]);
    refuses('payload', [null, [], 'a', 1, true]);
  });

  it('has a target that names somebody', () => {
    takes('target', [{ userId: 'u' }, { topic: 'n'.repeat(256) }, { sessionId: ' ä 😀' }]);
    refuses('target', [{}, null, 'u', []]);
    refuses('target', [{ user: 'u' }], 'target.user');
    for (const field of ['userId', 'sessionId', 'connectionId', 'topic']) {
      const wrong = ['', 'a\nb', '\u0000', '\u007f', 'a'.repeat(257), 1, null];
      for (const value of wrong) {
        refuses('target', [{ [field]: value }], `target.${field}`);
      }
    }
  });

  it('has options that there are', () => {
    takes('options', [{}, { persist: true }, { persist: false }]);
    refuses('options', [null, []]);
    refuses('options', [{ persit: false }], 'options.persit');
    refuses('options', [{ persist: 'no' }, { persist: 0 }], 'options.persist');
  });

  it('has an RFC 3339 time', () => {
    takes('time', [
      '2001-01-15T08:30:00Z',
      '2001-01-15t08:30:00.123456789z',
      '2001-01-15T08:30:00+01:00',
      '2001-01-15 08:30:00-00:00',
      '2000-02-29T00:00:00Z',
      '1998-12-31T23:59:60Z',
    ]);
    refuses('time', [
      '',
      '2001-01-15',
      '2001-01-15T08:30:00',
      '2001-01-15T08:30:00+0100',
      '2001-01-15T08:30:00+01',
      '2001-02-29T00:00:00Z',
      '2001-01-15T25:00:00Z',
      '2001-01-15T08:30:00Z ',
      `2001-01-15T08:30:00.${'1'.repeat(30)}Z`,
      979_547_400_000,
      null,
    ]);
  });

  it('has a time without any other white space, which its bytes would have too', () => {
    for (const space of ['\n', '\t', '\r', '\u2028', '\u00a0', '\u000b']) {
      refuses('time', [`2001-01-15${space}08:30:00Z`]);
    }
  });
});

describe('The faults of what was sent', () => {
  const check = schema<WorkspaceConfig>('openapi.yaml', 'WorkspaceConfig');
  const found = (sent: Json): Fault[] => {
    assert.equal(check(sent), false);
    return faults(check.errors);
  };

  it('have paths as the sender writes them', () => {
    assert.equal(found({ redact: ['payload.a', 'b'] })[0]?.path, 'redact[1]');
    assert.equal(found({ fit: 'a' })[0]?.path, 'fit');
    const escaped = { instancePath: '/a~1b~0c/0/x', schemaPath: '', keyword: 'type', params: {} };
    assert.equal(faults([escaped])[0]?.path, 'a/b~c[0].x');
  });

  it('name what is too much, and what is allowed', () => {
    assert.deepEqual(found({ fitt: [] }), [
      {
        path: 'fitt',
        message:
          'is not known here; known: description, redact, fit, retention, quotas, roles, members',
      },
    ]);
    const level = schema('openapi.yaml', 'Logging');
    assert.equal(level({ level: 'loud' }), false);
    assert.match(faults(level.errors)[0]!.message, /^must be one of trace,debug,info/);
  });

  it('tell what would be right in the words of the schema', () => {
    assert.match(found({ redact: ['a'] })[0]!.message, /^must be `payload\.` and a dotted path/);
    const frame = schema('asyncapi.yaml', 'subscribe');
    assert.equal(frame({ op: 'subscribe', from: { last: 0 } }), false);
    const [choice, ...others] = faults(frame.errors);
    assert.match(choice!.message, /^must be `now`, `start`, /);
    assert.deepEqual(others, []);
  });

  it('are no longer than a name needs', () => {
    assert.equal(found({ ['x'.repeat(10_000)]: 1 })[0]!.path.length, 256);
  });

  it('are none where there are no errors, and twenty at most', () => {
    assert.deepEqual(faults(null), []);
    assert.deepEqual(faults(undefined), []);
    const error = { instancePath: '/a', schemaPath: '', keyword: 'type', params: {} };
    const many = faults(Array.from({ length: 50 }, () => error));
    assert.equal(many.length, 20);
    assert.deepEqual(many[0], { path: 'a', message: 'is not valid' });
  });
});

describe('A schema', () => {
  it('that the contract does not have is a fault of ours, told at the start', () => {
    assert.throws(() => schema('openapi.yaml', 'Nothing'), /openapi\.yaml has no schema Nothing/);
  });
});

describe('The configuration of a workspace', () => {
  const check = schema<WorkspaceConfig>('openapi.yaml', 'WorkspaceConfig');

  it('names paths within the payload, or what an event can be without of its source', () => {
    const long = `payload.${'a'.repeat(504)}`;
    assert.ok(check({ redact: ['payload.a', 'payload.a.*.b', 'payload.*', long] }));
    assert.ok(check({ redact: ['source.ip', 'source.*'] }));
    assert.ok(!check({ redact: ['source.workspaceId'] }));
    assert.ok(!check({ fit: ['source.ip'] }));
    for (const path of ['payload', 'payload.', 'payload..a', 'a.b', 'source.id', `${long}a`, '']) {
      assert.ok(!check({ redact: [path] }), path);
      assert.ok(!check({ fit: [path] }), path);
    }
  });

  it('names a hundred paths at most, and describes in a thousand characters', () => {
    const paths = (count: number): string[] => Array<string>(count).fill('payload.a');
    assert.ok(check({ redact: paths(100), fit: paths(100), description: 'd'.repeat(1000) }));
    assert.ok(!check({ redact: paths(101) }));
    assert.ok(!check({ fit: paths(101) }));
    assert.ok(!check({ description: 'd'.repeat(1001) }));
  });
});
