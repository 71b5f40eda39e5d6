import assert from 'node:assert/strict';
import { nameOf } from '../src/event.js';
import { ask, exported, load, searched, type Positioned } from './demo/client.js';
import { datasets, type Sample } from './demo/data.js';
import { assertEachOnce } from './demo/once.js';
import { Cluster } from './flow/cluster.js';
import { elasticsearch } from './projections/elastic.js';
import { recordsIn } from './stack/admin.js';
import { eventsUrl } from './support/client.js';

const TOTAL = 20_329;

/** As many values as a condition may have. */
const BATCH_IDS = 100;

/** Asks for every sample by its id. */
async function* byIds(
  url: string,
  workspace: string,
  samples: readonly Sample[],
): AsyncGenerator<Positioned> {
  for (let first = 0; first < samples.length; first += BATCH_IDS) {
    const ids = samples.slice(first, first + BATCH_IDS);
    const query = new URLSearchParams({ limit: String(2 * BATCH_IDS) });
    for (const { id } of ids) {
      query.append('id', id);
    }
    yield* (await ask(`${eventsUrl(url, workspace)}?${query.toString()}`)).events as Positioned[];
  }
}

describe('The demo, loaded through one node', function () {
  this.timeout(180_000);

  const cluster = new Cluster();
  const [github, flights] = datasets();
  /** The other node. */
  let url: string;

  before(async () => {
    const loading = await cluster.spawn();
    ({ url } = await cluster.spawn());
    for (const { workspace, samples } of [github, flights]) {
      await load(loading.url, workspace, samples, () => undefined);
    }
  });
  after(() => cluster.stop());

  const ways = { export: exported, 'paging through a search': searched, 'its id': byIds };
  for (const [by, read] of Object.entries(ways)) {
    it(`is found through the other, each event once, by ${by}`, async () => {
      for (const { workspace, samples } of [github, flights]) {
        await assertEachOnce(read(url, workspace, samples), samples);
      }
    });
  }

  it('is in Kafka and in Elasticsearch, by their own counts', async () => {
    let total = 0;
    for (const { workspace, samples } of [github, flights]) {
      assert.equal(await cluster.topic(workspace, recordsIn), samples.length);
      const { epoch } = await ask(`${url}/v2/workspaces/${workspace}`);
      const { count } = await elasticsearch.count({
        index: cluster.settings.ELASTICSEARCH_INDEX_PREFIX!,
        query: { term: { of: nameOf({ id: workspace, epoch, generation: 0 }) } },
      });
      assert.equal(count, samples.length);
      total += count;
    }
    assert.equal(total, TOTAL);
  });
});
