import assert from 'node:assert/strict';
import { ownContext, sealedSource, sourceOf, type Context } from '../../src/commands/context.js';
import { ownEvent } from '../../src/commands/own.js';
import { CONTEXT } from '../support/backends.js';

const FULL: Context = {
  caller: { superadmin: false, userId: 'u', sessionId: 's' },
  correlationId: 'c',
  connectionId: 'k',
  ip: '8.8.8.8',
  host: 'example.org',
  app: 'shop',
  traceparent: '00-1-2-01',
};
const SOURCE = {
  userId: 'u',
  sessionId: 's',
  workspaceId: 'w',
  correlationId: 'c',
  connectionId: 'k',
  ip: '8.8.8.8',
  host: 'example.org',
  app: 'shop',
  traceparent: '00-1-2-01',
};

describe('The source of an event', () => {
  it('is all that the server knows of the connection, and nothing that it does not', () => {
    assert.deepEqual(sourceOf(FULL, 'w'), SOURCE);
    assert.deepEqual(sourceOf(CONTEXT, 'w'), {
      workspaceId: 'w',
      correlationId: 'c1',
      connectionId: 'k1',
    });
  });

  it('does not tell of private networks, nor of what the caller may do', () => {
    const inside = sourceOf({ ...FULL, ip: '::ffff:10.1.2.3' }, 'w');
    assert.ok(!('ip' in inside));
    assert.deepEqual({ ...inside, ip: SOURCE.ip }, SOURCE);
    const admin = { ...FULL, caller: { ...FULL.caller, superadmin: true } };
    assert.deepEqual(sourceOf(admin, 'w'), SOURCE);
  });

  it('is worked out once for a connection, and again for another workspace', () => {
    const sealed = sealedSource(FULL, 'w');
    assert.deepEqual(sealed, { source: SOURCE, json: JSON.stringify(SOURCE) });
    assert.equal(sealedSource(FULL, 'w'), sealed);
    assert.notEqual(sealedSource({ ...FULL }, 'w'), sealed);
    const other = { ...SOURCE, workspaceId: 'w2' };
    assert.deepEqual(sealedSource(FULL, 'w2'), { source: other, json: JSON.stringify(other) });
    assert.deepEqual(sealedSource(FULL, 'w').source, SOURCE);
  });
});

describe('An event of the service itself', () => {
  const own = { workspaceId: '_system', type: 'a.b', payload: { n: 1 }, acceptedAt: 1000 };

  it('is like every other, made by the service', () => {
    const { event, bytes } = ownEvent(own, ownContext('c'));
    assert.deepEqual(JSON.parse(Buffer.from(bytes).toString()), event);
    const { id, ...rest } = event;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, {
      type: 'a.b',
      workspaceId: '_system',
      time: '1970-01-01T00:00:01.000Z',
      createdAt: '1970-01-01T00:00:01.000Z',
      source: { workspaceId: '_system', correlationId: 'c', connectionId: 'service' },
      payload: { n: 1 },
    });
  });

  it('names the caller on whose request it was made, and the failure that it reports', () => {
    const error = { code: 'internal-error', message: 'm' };
    const { event } = ownEvent({ ...own, error }, FULL);
    assert.deepEqual(event.source, { ...SOURCE, workspaceId: '_system' });
    assert.deepEqual(event.error, error);
  });
});
