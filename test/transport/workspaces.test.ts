import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { emit, eventsUrl, request, Socket, sse, type Reply } from '../support/client.js';
import { readLog } from '../support/log.js';
import { startNode, type TestNode } from '../support/node.js';

const DRAFT = { type: 'order.paid', payload: {} };

describe('A workspace over HTTP', () => {
  let node: TestNode;
  let workspace: string;
  let address: string;

  before(async () => {
    node = await startNode();
  });
  after(() => node.stop());

  beforeEach(() => {
    workspace = `w-${randomUUID()}`;
    address = `${node.url}/v2/workspaces/${workspace}`;
  });

  const put = (json: unknown): Promise<Reply> => request(address, { method: 'PUT', json });
  const remove = (query = ''): Promise<Reply> => request(address + query, { method: 'DELETE' });
  const restore = (): Promise<Reply> => request(`${address}/restore`, { method: 'POST' });
  const emitOne = async (): Promise<string> => {
    const { status, body } = await emit(node.url, workspace, [DRAFT]);
    assert.equal(status, 201, JSON.stringify(body));
    return body.results[0].position as string;
  };

  describe('says how long it keeps its events', () => {
    it('in hours and bytes, for log and history, null for ever', async () => {
      const retention = {
        log: { hours: 0.25, bytes: 1_048_576 },
        history: { hours: null },
      };
      assert.equal((await put({ retention })).status, 201);
      assert.deepEqual((await request(address)).body.config, { retention });
      const of = await node.service.workspaces.require(workspace);
      assert.deepEqual(node.service.workspaces.retentionOf(of), {
        log: { maxAgeMs: 900_000, maxBytes: 1_048_576 },
        history: {},
      });
    });

    for (const [retention, path, message] of [
      [{ log: { hours: 0 } }, 'retention.log.hours', 'must be > 0'],
      [{ log: { hours: 876_001 } }, 'retention.log.hours', 'must be <= 876000'],
      [{ log: { hours: '1' } }, 'retention.log.hours', 'must be number,null'],
      [{ log: { bytes: 1000 } }, 'retention.log.bytes', 'must be >= 1048576'],
      [{ log: { bytes: 2_000_000.5 } }, 'retention.log.bytes', 'must be integer,null'],
      [{ history: { hours: -1 } }, 'retention.history.hours', 'must be > 0'],
      [{ history: { bytes: 2_000_000 } }, 'retention.history.bytes', 'is not known here'],
      [{ days: 3 }, 'retention.days', 'is not known here; known: log, history'],
      [null, 'retention', 'must be object'],
    ] as const) {
      it(`but not ${JSON.stringify(retention)}`, async () => {
        const { status, body } = await put({ retention });
        assert.deepEqual([status, body.code, body.errors[0].path], [422, 'invalid-body', path]);
        const told = body.errors[0].message as string;
        assert.ok(told.startsWith(message), told);
      });
    }
  });

  describe('that is deleted', () => {
    it('is there for nobody, and its name is taken until it is purged', async () => {
      await emitOne();
      assert.equal((await remove()).status, 204);
      for (const reply of [
        await request(address),
        await request(eventsUrl(node.url, workspace)),
        await remove(),
      ]) {
        assert.deepEqual([reply.status, reply.body.code], [404, 'workspace-not-found']);
        assert.match(reply.body.detail as string, /Restore it with POST .*\/restore, until 2/);
      }
      for (const reply of [
        await put({}),
        await emit(node.url, workspace, [DRAFT]),
        await request(eventsUrl(node.url, workspace, { from: 'start' })),
      ]) {
        assert.deepEqual([reply.status, reply.body.code], [409, 'workspace-deleted']);
        assert.match(
          reply.body.detail as string,
          /\/restore, or purge it with DELETE .*grace=0\.$/,
        );
      }
    });

    it('ends every subscription', async () => {
      const position = await emitOne();
      const socket = await Socket.open(node.url, workspace);
      const { subscription } = await socket.ask({ op: 'subscribe' });
      const polling = request(eventsUrl(node.url, workspace, { after: position, wait: '30' }));
      const streamed = (async () => {
        for await (const { event, data } of sse(eventsUrl(node.url, workspace))) {
          if (event === 'caught-up') {
            await remove();
          }
          if (event === 'error') {
            return data.code as string;
          }
        }
        return 'the end';
      })();
      assert.equal(await streamed, 'workspace-not-found');
      const ended = await socket.until('it has ended', ({ op }) => op === 'ended');
      assert.deepEqual([ended.subscription, ended.code], [subscription, 'workspace-not-found']);
      const { status, body } = await polling;
      assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
      const refused = await socket.ask({ op: 'emit', events: [DRAFT] });
      assert.deepEqual([refused.op, refused.code], ['error', 'workspace-deleted']);
      await socket.close();
    });

    it('is listed with when it will be purged, and can be restored with all it had', async () => {
      await put({ description: 'd' });
      const before = (await request(address)).body;
      const position = await emitOne();
      const other = await emitOne();
      await remove('?grace=2.5');
      const list = async (query: string): Promise<any[]> => {
        const { body } = await request(`${node.url}/v2/workspaces${query}`);
        return (body.workspaces as { id: string }[]).filter(({ id }) => id === workspace);
      };
      const [{ deletedAt, purgeAt, ...rest }, ...more] = await list('?deleted=true');
      assert.deepEqual([rest, more], [before, []]);
      const graceMs =
        new Date(purgeAt as string).getTime() - new Date(deletedAt as string).getTime();
      assert.ok(Math.abs(graceMs - 2.5 * 3_600_000) < 1000, String(graceMs));
      assert.deepEqual(await list(''), []);

      assert.deepEqual((await restore()).body, before);
      assert.deepEqual((await restore()).body, before);
      assert.deepEqual([await list('?deleted=true'), await list('')], [[], [before]]);
      // An old cursor is good, and what comes goes on behind it.
      const { body } = await request(eventsUrl(node.url, workspace, { after: position }));
      assert.equal(body.recovered, true);
      assert.deepEqual(
        (body.events as { position: string }[]).map((event) => event.position),
        [other],
      );
      await emitOne();
      assert.equal((await readLog(node.url, workspace)).length, 3);
    });

    it('is kept as long as the service decides, where nobody says', async () => {
      await put({});
      await remove();
      const { body } = await request(`${node.url}/v2/workspaces?deleted=true`);
      const { deletedAt, purgeAt } = (
        body.workspaces as { id: string; deletedAt: string; purgeAt: string }[]
      ).find(({ id }) => id === workspace)!;
      const graceMs = new Date(purgeAt).getTime() - new Date(deletedAt).getTime();
      assert.ok(Math.abs(graceMs - 72 * 3_600_000) < 1000, String(graceMs));
    });

    it('is gone at once without a grace, also if it was deleted with one', async () => {
      for (const first of ['?grace=0', '?grace=8760']) {
        await put({});
        await remove(first);
        await remove('?grace=0');
        const { status, body } = await restore();
        assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
        await emitOne();
        assert.equal((await readLog(node.url, workspace)).length, 1);
      }
    });

    for (const grace of ['-1', '8761', 'x', '']) {
      it(`is kept no ${grace || 'empty number of'} hours`, async () => {
        await put({});
        const { status, body } = await remove(`?grace=${grace}`);
        assert.deepEqual([status, body.code], [400, 'invalid-request']);
        assert.equal(body.errors[0].path, 'grace');
      });
    }
  });

  it('that was never there cannot be restored', async () => {
    const { status, body } = await restore();
    assert.deepEqual([status, body.code], [404, 'workspace-not-found']);
  });
});
