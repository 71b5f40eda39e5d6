import assert from 'node:assert/strict';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { emit, eventsUrl, request, type Reply } from '../support/client.js';
import { readLog, searchAll } from '../support/log.js';
import { random, seed } from '../support/random.js';
import { moment, until } from '../until.js';
import { CrashingNode } from './node.js';

const KILLS = 5;

/** Made or deleted at once, so that a kill meets them at every stage. */
const WORKSPACES = 12;
const EVENTS = 50;

/**
 * Whose data a file has, and how much of it is nobody’s. What is being cleared away has no name.
 */
const CONTENTS = {
  'log.sqlite': {
    names: 'SELECT workspace FROM logs',
    orphans: 'SELECT count(*) FROM runs WHERE key >> 33 NOT IN (SELECT number FROM logs)',
  },
  'store.sqlite': {
    names: 'SELECT name FROM workspaces',
    orphans: 'SELECT count(*) FROM events WHERE workspace NOT IN (SELECT number FROM workspaces)',
  },
} as const;

const DRAFTS = Array.from({ length: EVENTS }, (_, n) => ({
  id: `e${n}`,
  type: 'life.lived',
  payload: { n },
}));

describe('a node that is killed while workspaces come and go', () => {
  const number = seed();
  const draw = random(number);
  let node: CrashingNode;

  before(async () => {
    node = await CrashingNode.create();
    await node.start();
  });
  after(async () => {
    await node.dispose();
  });

  /**
   * Does something once, to know how long it takes, and once more, with a kill on the way. Gives
   * the answers, `undefined` where there was none.
   */
  async function killDuring(
    names: readonly string[],
    doIt: (name: string) => Promise<Reply>,
  ): Promise<(Reply | undefined)[]> {
    const began = performance.now();
    await Promise.all(names.map((name) => doIt(`${name}-rehearsed`)));
    const took = performance.now() - began;
    const answers = names.map((name) => doIt(name).catch(() => undefined));
    await moment(draw() * took);
    await node.kill();
    await node.start();
    return Promise.all(answers);
  }

  const workspaceUrl = (workspace: string): string => `${node.url}/v2/workspaces/${workspace}`;
  const put = (workspace: string, config = {}): Promise<Reply> =>
    request(workspaceUrl(workspace), { method: 'PUT', json: config });
  const remove = (workspace: string): Promise<Reply> =>
    request(`${workspaceUrl(workspace)}?grace=0`, { method: 'DELETE' });
  const withdraw = (workspace: string): Promise<Reply> =>
    request(workspaceUrl(workspace), { method: 'DELETE' });
  const restore = (workspace: string): Promise<Reply> =>
    request(`${workspaceUrl(workspace)}/restore`, { method: 'POST' });

  /** Gives the last position, and how many of the events the service took for known ones. */
  async function emitAll(workspace: string): Promise<{ last: string; duplicates: number }> {
    const { body } = await emit(node.url, workspace, DRAFTS);
    const results = body.results as { position: string; duplicate?: true }[];
    const duplicates = results.filter(({ duplicate }) => duplicate).length;
    return { last: results.at(-1)?.position ?? '', duplicates };
  }

  const named = (what: string, kill: number): string[] =>
    Array.from({ length: WORKSPACES }, (_, index) => `${what}${kill}-${index}`);

  for (let kill = 0; kill < KILLS; kill++) {
    it(`has made each whole, or not at all: kill ${kill}`, async function () {
      this.timeout(30_000);
      const names = named('made', kill);
      const answers = await killDuring(names, (name) => put(name, { description: name }));
      for (const [index, name] of names.entries()) {
        const { status, body } = await request(workspaceUrl(name));
        const told = answers[index]?.body ?? body;
        assert.ok(!answers[index] || status === 200, `${name} is lost, SEED=${number}`);
        if (status === 200) {
          assert.deepEqual(body, told);
          assert.deepEqual(body.config, { description: name });
        }
        await isNew(name);
      }
    });

    it(`has made each whole with its first event: kill ${kill}`, async function () {
      this.timeout(30_000);
      const names = named('emitted', kill);
      const answers = await killDuring(names, (name) => emit(node.url, name, DRAFTS));
      for (const [index, name] of names.entries()) {
        const { body } = await emit(node.url, name, DRAFTS);
        const told = answers[index]?.body.results[0] ?? body.results[0];
        assert.equal(body.results[0].position, told.position, `SEED=${number}`);
        assert.equal((await readLog(node.url, name)).length, EVENTS);
      }
    });

    it(`has deleted each whole, or not at all: kill ${kill}`, async function () {
      this.timeout(30_000);
      const names = named('deleted', kill);
      const before = await lived(names);
      const answers = await killDuring(names, remove);
      for (const [index, name] of names.entries()) {
        const { status, body } = await request(workspaceUrl(name));
        assert.ok(!answers[index] || status === 404, `${name} is back, SEED=${number}`);
        if (status === 200) {
          assert.equal(body.epoch, before.get(name));
          assert.equal((await readLog(node.url, name)).length, EVENTS);
          await remove(name);
        }
        // Of the others nothing may be left although nobody makes them again.
        if (index % 2 === 0) {
          assert.notEqual((await put(name)).body.epoch, before.get(name), `SEED=${number}`);
          await isNew(name);
        }
      }
    });

    it(`has deleted each, or not, and brings each back whole: kill ${kill}`, async function () {
      this.timeout(30_000);
      const names = named('withdrawn', kill);
      const before = await lived(names);
      const answers = await killDuring(names, withdraw);
      for (const [index, name] of names.entries()) {
        const { status } = await request(workspaceUrl(name));
        assert.ok(!answers[index] || status === 404, `${name} is back, SEED=${number}`);
        const { body } = await restore(name);
        assert.equal(body.epoch, before.get(name), `SEED=${number}`);
        assert.equal((await readLog(node.url, name)).length, EVENTS);
        const found = await searchAll(node.url, name, (await emitAll(name)).last);
        assert.equal(found.length, EVENTS);
        await remove(`${name}-rehearsed`);
      }
    });
  }

  /** Fills workspaces, also those for the rehearsal; gives their epochs. */
  async function lived(names: readonly string[]): Promise<Map<string, string>> {
    const epochs = new Map<string, string>();
    for (const name of names.flatMap((one) => [one, `${one}-rehearsed`])) {
      // Most of them are deleted while they are being historized.
      await emit(node.url, name, DRAFTS);
      epochs.set(name, (await request(workspaceUrl(name))).body.epoch as string);
    }
    return epochs;
  }

  /** A new workspace has no event, not even of one of its name before: ids are free. */
  async function isNew(workspace: string): Promise<void> {
    assert.equal((await request(`${eventsUrl(node.url, workspace)}/e0`)).status, 404);
    assert.deepEqual(await readLog(node.url, workspace), []);
    const { last, duplicates } = await emitAll(workspace);
    assert.equal(duplicates, 0);
    const found = await searchAll(node.url, workspace, last);
    assert.deepEqual(
      found.map(({ id }) => id),
      DRAFTS.map(({ id }) => id).toReversed(),
    );
  }

  for (const [file, { names, orphans }] of Object.entries(CONTENTS)) {
    it(`has left nothing behind in ${file}`, async () => {
      const { body } = await request(`${node.url}/v2/workspaces`);
      const workspaces = body.workspaces as { id: string; epoch: string }[];
      // The log names its rows by id, the store by incarnation.
      const known = new Set(workspaces.flatMap(({ id, epoch }) => [id, `${id}/${epoch}`]));
      const db = new Database(join(node.path, file), { readonly: true });
      try {
        const held = db.prepare<[], string | null>(names).pluck();
        await until('all is cleared away', () =>
          held.all().every((name) => name?.startsWith('_') === true || known.has(name ?? '')),
        );
        assert.equal(db.prepare(orphans).pluck().get(), 0);
      } finally {
        db.close();
      }
    });
  }
});
