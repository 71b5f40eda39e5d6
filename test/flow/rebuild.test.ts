import assert from 'node:assert/strict';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { CrashingNode } from '../crash/node.js';
import { readLog, searchAll } from '../support/log.js';
import { faults } from '../support/sequence.js';
import { until } from '../until.js';
import { begin, fill, rebuilding, rebuildsUnderLoad } from './rebuild.js';

describe('a history that is rebuilt under load, on a node that is killed', function () {
  this.timeout(240_000);

  let node: CrashingNode;

  rebuildsUnderLoad(
    async () => {
      node = await CrashingNode.create();
      await node.start();
      return [node];
    },
    () => node.dispose(),
  );
});

describe('a history from which documents were removed by hand', function () {
  this.timeout(60_000);

  const DAMAGED = 'damaged';
  let node: CrashingNode;

  before(async () => {
    node = await CrashingNode.create();
    await node.start();
  });
  after(() => node.dispose());

  it('is whole again when it was rebuilt', async () => {
    await fill(node.url, DAMAGED, 2_000);
    const log = await readLog(node.url, DAMAGED);
    const last = log.at(-1)!.cursor;
    await node.kill();
    const db = new Database(join(node.path, 'store.sqlite'));
    const { changes } = db.prepare("DELETE FROM events WHERE id GLOB 'f*[37]'").run();
    db.close();
    assert.equal(changes, 400);
    await node.start();
    assert.equal((await searchAll(node.url, DAMAGED, last)).length, 1_600);
    await begin(node.url, DAMAGED);
    await until('it is done', async () => (await rebuilding(node.url, DAMAGED)) === undefined);
    const found = await searchAll(node.url, DAMAGED, last);
    assert.deepEqual(faults(found.toReversed(), log), []);
  });
});
