import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import {
  token,
  superadmin,
  as,
  bearer,
  identified,
  configure,
  makeKey,
  revokeKey,
} from '../support/identity.js';
import { startNode, type TestNode } from '../support/node.js';
import { until } from '../until.js';

const DRAFT = { type: 'a', payload: { card: 1, sum: 2 } };

describe('A workspace, by who asks', () => {
  let node: TestNode;

  before(async () => {
    node = await startNode(identified());
  });
  after(() => node.stop());

  const at = (path: string): string => `${node.url}/v2/workspaces/${path}`;
  const put = (workspace: string, json: unknown, credential: string): Promise<Reply> =>
    request(at(workspace), { method: 'PUT', json, headers: bearer(credential) });

  it('is made by whoever is its owner by a token, and by no lesser one', async () => {
    assert.equal((await put('mine', {}, await as('editor', 'mine', 'u'))).status, 403);
    assert.equal((await put('mine', {}, await as('owner', 'other', 'u'))).status, 403);
    assert.equal((await put('mine', {}, await as('owner', 'mine', 'u'))).status, 201);
  });

  it('is told to whoever may configure it, and to nobody else', async () => {
    await configure(node.url, 'told', { members: { ada: 'owner', bob: 'editor' } });
    for (const [sub, ids] of [
      ['ada', ['told']],
      ['bob', []],
    ] as const) {
      const headers = bearer(await token({ claims: { sub } }));
      const { body } = await request(`${node.url}/v2/workspaces`, { headers });
      assert.deepEqual(
        (body.workspaces as { id: string }[]).map(({ id }) => id),
        ids,
      );
    }
  });

  it('lets nobody give away what they do not have', async () => {
    const config = {
      roles: { clerk: { read: true, manage: ['configure', 'keys'] } },
      members: { ada: 'clerk' },
    };
    await configure(node.url, 'kept', config);
    const ada = await token({ claims: { sub: 'ada' } });
    assert.equal((await put('kept', { ...config, description: 'mine' }, ada)).status, 200);
    for (const grants of [
      { members: { ada: 'owner' } },
      { roles: { clerk: { read: true, emit: true } } },
      { members: {}, roles: {} },
    ]) {
      const { status, body } = await put('kept', { ...config, ...grants }, ada);
      assert.deepEqual([status, body.code], [403, 'forbidden'], JSON.stringify(grants));
    }
    const keys = await request(at('kept/keys'), { json: { role: 'clerk' }, headers: bearer(ada) });
    assert.equal(keys.status, 403);
  });

  it('refuses roles that cannot be meant, and says where', async () => {
    const root = await superadmin();
    for (const [config, path] of [
      [{ roles: { owner: {} } }, 'roles'],
      [{ roles: { r: { read: false } } }, 'roles.r.read'],
      [{ roles: { r: { reads: true } } }, 'roles.r.reads'],
      [{ roles: { r: { manage: ['all'] } } }, 'roles.r.manage[0]'],
      [{ roles: { r: { read: { colour: 1 } } } }, 'roles.r.read.colour'],
      [{ members: { ada: 'clerk' } }, 'members.ada'],
      [{ redact: ['source.workspaceId'] }, 'redact[0]'],
    ] as const) {
      const { status, body } = await put('refused', config, root);
      assert.equal(status, 422, JSON.stringify(config));
      assert.equal(body.errors[0].path, path);
    }
  });

  it('refuses keys that would open nothing', async () => {
    await configure(node.url, 'locked');
    const headers = bearer(await superadmin());
    for (const json of [{ role: 'clerk' }, { role: 'owner', expiresAt: '2001-01-01T00:00:00Z' }]) {
      const { status, body } = await request(at('locked/keys'), { json, headers });
      assert.deepEqual([status, body.code], [422, 'invalid-body'], JSON.stringify(json));
    }
  });

  it('has an audit trail of its own, and none of its namesake before', async () => {
    const root = bearer(await superadmin());
    await configure(node.url, 'audited');
    await request(`${at('audited')}?grace=0`, { method: 'DELETE', headers: root });
    await configure(node.url, 'other');
    await makeKey(node.url, 'other');
    await configure(node.url, 'audited');
    const { id } = await makeKey(node.url, 'audited');
    await configure(node.url, 'audited', { description: 'b' });
    await revokeKey(node.url, 'audited', id);
    const headers = bearer(await as('owner', 'audited', 'u1'));
    const types = ['key.revoked', 'workspace.configured', 'key.created', 'workspace.created'];
    const events = await until('all of it is in the history', async () => {
      const { body } = await request(at('audited/audit'), { headers });
      const found = (body as { events: { event: any }[] }).events;
      return found[0]?.event.type === types[0] && found;
    });
    assert.deepEqual(
      events.map(({ event }) => event.type as string),
      types,
    );
    for (const { event } of events) {
      assert.deepEqual([event.payload.workspace, event.source.userId], ['audited', 'root']);
    }
    const page = await request(`${at('audited/audit')}?limit=3`, { headers });
    const query = new URLSearchParams({ limit: '3', next: page.body.next as string });
    const last = await request(`${at('audited/audit')}?${query.toString()}`, { headers });
    assert.equal(last.body.events.length, 1);
    assert.equal((await request(eventsUrl(node.url, '_system'), { headers })).status, 403);
  });

  it('is no way to another one, whose cursors and keysets say nothing here', async () => {
    const root = bearer(await superadmin());
    for (const workspace of ['mine1', 'theirs']) {
      await configure(node.url, workspace);
      await emit(node.url, workspace, [DRAFT, DRAFT, DRAFT], root);
    }
    const { body } = await request(eventsUrl(node.url, 'theirs', { from: 'now' }), {
      headers: root,
    });
    const theirs = body.cursor as string;
    await request(eventsUrl(node.url, 'theirs', { waitFor: theirs }), { headers: root });
    const page = await request(eventsUrl(node.url, 'theirs', { limit: '1' }), { headers: root });
    const owner = bearer(await as('owner', 'mine1', 'u'));
    const next = page.body.next as string;
    const refused = await request(eventsUrl(node.url, 'mine1', { next }), { headers: owner });
    assert.equal(refused.body.code, 'invalid-cursor');
    const { body: polled } = await request(eventsUrl(node.url, 'mine1', { after: theirs }), {
      headers: owner,
    });
    assert.deepEqual([polled.recovered, polled.reason], [false, 'other-epoch']);
    assert.ok((polled.events as any[]).every(({ event }) => event.workspaceId === 'mine1'));
    for (const query of [{ after: theirs }, { from: 'start' }, { waitFor: theirs }]) {
      const { status } = await request(eventsUrl(node.url, 'theirs', query), { headers: owner });
      assert.equal(status, 403);
    }
  });

  it('records nothing of what it redacts, neither of payload nor of source', async () => {
    await configure(node.url, 'secret', { redact: ['payload.*', 'source.userId', 'source.host'] });
    const root = bearer(await superadmin());
    const socket = await Socket.open(node.url, 'secret', root);
    const { subscription } = await socket.ask({ op: 'subscribe' });
    await socket.ask({ op: 'emit', events: [DRAFT] });
    await socket.until('it is received', ({ op }) => op === 'event');
    const { event } = socket.events(subscription)[0]!;
    assert.deepEqual(event.payload, {});
    const names = ['workspaceId', 'correlationId', 'connectionId'];
    assert.deepEqual(Object.keys(event.source as object).toSorted(), names.toSorted());
    await socket.close();
  });
});
