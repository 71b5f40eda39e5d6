import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { readLog, searchAll } from '../support/log.js';
import { spawnNode, temporaryFolder, type NodeProcess } from '../support/node.js';
import { answersAfter } from './answers.js';

const WORKSPACE = 'shop';
const CONFIG = { description: 'A shop', redact: ['payload.card.number'] };
const DRAFTS = Array.from({ length: 20 }, (_, n) => ({
  id: `e${n}`,
  type: 'order.paid',
  payload: { n, card: { number: '4111' } },
}));

describe('a node that is started on the data of one before', function () {
  this.timeout(30_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: NodeProcess;
  /** What the first node told of the workspace, and the positions of its events. */
  let told: unknown;
  let cursors: string[];

  before(async () => {
    folder = await temporaryFolder();
    node = await spawnNode({ DATA_DIR: folder.path });
    const made = await request(workspaceUrl(), { method: 'PUT', json: CONFIG });
    assert.equal(made.status, 201);
    told = made.body;
    cursors = await emitAll();
  });
  after(async () => {
    await node.end();
    await folder.remove();
  });

  const workspaceUrl = (): string => `${node.url}/v2/workspaces/${WORKSPACE}`;

  async function emitAll(): Promise<string[]> {
    const { results } = (await emit(node.url, WORKSPACE, DRAFTS)).body;
    return (results as { position: string }[]).map(({ position }) => position);
  }

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    describe(`and ended by ${signal}`, () => {
      before(async () => {
        await node.end(signal);
        node = await spawnNode({ DATA_DIR: folder.path });
      });

      it('has the workspace as it was', async () => {
        assert.deepEqual((await request(workspaceUrl())).body, told);
      });

      // The first to read it, when nobody has followed the log yet.
      it('exports the log to its end', async () => {
        assert.deepEqual(
          (await readLog(node.url, WORKSPACE)).map(({ cursor }) => cursor),
          cursors,
        );
      });

      it('finds what was found, and redacts what was redacted', async () => {
        const found = await searchAll(node.url, WORKSPACE, cursors.at(-1) ?? '');
        assert.deepEqual(
          found.toReversed().map(({ cursor }) => cursor),
          cursors,
        );
        assert.ok(found.every(({ event }) => event.payload.card.number !== '4111'));
      });

      it('knows the ids that it has', async () => {
        assert.deepEqual(await emitAll(), cursors);
        assert.equal((await readLog(node.url, WORKSPACE)).length, DRAFTS.length);
      });

      it('goes on from a cursor of before, and says that it has caught up only then', async () => {
        const socket = await Socket.open(node.url, WORKSPACE);
        try {
          const from = { position: cursors[9] ?? '' };
          const { recovered } = await socket.ask({ op: 'subscribe', from });
          assert.equal(recovered, true);
          const { cursor } = await socket.until('it has caught up', ({ op }) => op === 'caughtUp');
          assert.equal(cursor, cursors.at(-1));
          const ops = socket.frames.map(({ op }) => op);
          assert.deepEqual(ops, ['subscribed', ...DRAFTS.slice(10).map(() => 'event'), 'caughtUp']);
        } finally {
          await socket.close();
        }
      });
    });
  }

  describe('and whose workspace is made again', () => {
    before(async () => {
      const deleted = await request(`${workspaceUrl()}?grace=0`, { method: 'DELETE' });
      assert.equal(deleted.status, 204);
      await request(workspaceUrl(), { method: 'PUT', json: {} });
    });

    it('has nothing of the one before, in another epoch', async () => {
      const { body } = await request(workspaceUrl());
      assert.notEqual(body.epoch, (told as { epoch: string }).epoch);
      assert.deepEqual(await readLog(node.url, WORKSPACE), []);
      assert.deepEqual((await request(eventsUrl(node.url, WORKSPACE))).body.events, []);
      assert.equal((await request(`${eventsUrl(node.url, WORKSPACE)}/e0`)).status, 404);
    });

    it('says on every transport that a cursor of the one before is lost', async () => {
      for (const answer of await answersAfter(node.url, WORKSPACE, cursors[0]!)) {
        assert.deepEqual([answer.recovered, answer.reason], [false, 'other-epoch']);
      }
    });

    it('takes the same ids for new ones', async () => {
      const again = await emitAll();
      assert.ok(again.every((cursor) => !cursors.includes(cursor)));
      const found = await searchAll(node.url, WORKSPACE, again.at(-1) ?? '');
      assert.deepEqual(
        found.toReversed().map(({ cursor }) => cursor),
        again,
      );
    });
  });
});
