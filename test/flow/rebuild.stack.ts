import assert from 'node:assert/strict';
import { CrashingNode } from '../crash/node.js';
import { elasticsearch } from '../projections/elastic.js';
import { forgetBefore } from '../stack/admin.js';
import { readLog, searchAll } from '../support/log.js';
import { faults } from '../support/sequence.js';
import { until } from '../until.js';
import { Cluster } from './cluster.js';
import { begin, fill, rebuilding, rebuildsUnderLoad } from './rebuild.js';

const NODES = 2;

describe('a history that is rebuilt under load, on two nodes that are killed in turn', function () {
  this.timeout(600_000);

  const cluster = new Cluster();
  let nodes: CrashingNode[] = [];

  rebuildsUnderLoad(
    async () => {
      nodes = await Promise.all(
        Array.from({ length: NODES }, () => CrashingNode.create(cluster.settings)),
      );
      await Promise.all(nodes.map((node) => node.start()));
      return nodes;
    },
    async () => {
      await Promise.all(nodes.map((node) => node.dispose()));
      await cluster.stop();
    },
  );
});

describe('a history from whose index documents were removed by hand', function () {
  this.timeout(120_000);

  const DAMAGED = 'damaged';
  const EVENTS = 2_000;
  /** What the log holds no more, so that the old history is where it is taken from. */
  const FORGOTTEN = 500;

  const cluster = new Cluster();

  after(() => cluster.stop());

  it('is whole again when it was rebuilt, also beyond what the log holds', async () => {
    const [one, two] = [await cluster.spawn(), await cluster.spawn()];
    const epoch = await fill(one.url, DAMAGED, EVENTS);
    const log = await readLog(one.url, DAMAGED);
    const last = log.at(-1)!.cursor;
    await cluster.topic(DAMAGED, (admin, topic) => forgetBefore(admin, topic, FORGOTTEN));
    const chosen = await everyTenth(`${DAMAGED}/${epoch}`);
    // What is not checkpointed yet is written once more by the node that takes it over.
    await until('they are missing', async () => {
      await remove(chosen);
      return (await searchAll(two.url, DAMAGED, last)).length === EVENTS - chosen.length;
    });
    await begin(two.url, DAMAGED);
    for (const { url } of [one, two]) {
      await until('it is done', async () => (await rebuilding(url, DAMAGED)) === undefined, 60_000);
      const found = await searchAll(url, DAMAGED, last);
      assert.deepEqual(faults(found.toReversed(), log), []);
      assert.deepEqual(faults(await readLog(url, DAMAGED), log), []);
    }
    const index = cluster.settings.ELASTICSEARCH_INDEX_PREFIX!;
    const query = { term: { of: `${DAMAGED}/${epoch}.1` } };
    assert.equal((await elasticsearch.count({ index, query })).count, EVENTS);
  });

  /** Of the documents that the log still has. */
  async function everyTenth(of: string): Promise<readonly { _index: string; _id: string }[]> {
    const index = cluster.settings.ELASTICSEARCH_INDEX_PREFIX!;
    const query = {
      bool: { filter: [{ term: { of } }, { range: { position: { gte: FORGOTTEN } } }] },
    };
    const { hits } = await elasticsearch.search({ index, query, size: EVENTS, _source: false });
    const chosen = hits.hits.filter((_, at) => at % 10 === 0);
    assert.equal(chosen.length, (EVENTS - FORGOTTEN) / 10);
    return chosen.map(({ _index, _id }) => ({ _index, _id: _id! }));
  }

  async function remove(documents: readonly { _index: string; _id: string }[]): Promise<void> {
    const { errors } = await elasticsearch.bulk({
      refresh: true,
      operations: documents.map((document) => ({ delete: { ...document, routing: DAMAGED } })),
    });
    assert.ok(!errors);
  }
});
