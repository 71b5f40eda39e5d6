import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, nameOf, type Incarnation } from '../event.js';
import { pause } from '../pause.js';
import { EVERYTHING } from '../queries/filter.elastic.js';
import { settle } from './store.elastic.bulk.js';
import { refresh } from './store.elastic.checkpoints.js';
import type { Cluster } from './store.elastic.client.js';
import type { Indices } from './store.elastic.indices.js';
import { hitsMax, pageOf, positionOf } from './store.elastic.reader.js';

/** A page is found at once; this is for a cluster that has much else to do. */
const pageMsMax = 30_000;

/**
 * Deletes an incarnation page by page, with a rest after each: others have half of the cluster at
 * least. What is cut short goes on where it was when it is asked for again. Not by `delete by
 * query`, which a cluster of the core alone does not have.
 */
export async function drop(cluster: Cluster, indices: Indices, of: Incarnation): Promise<void> {
  await refresh(cluster, indices.events);
  await cluster.request({
    method: 'DELETE',
    path: [indices.checkpoints, '_doc', nameOf(of)],
    expect: [404],
  });
  for (let after: number = BEFORE_FIRST; ;) {
    const begun = performance.now();
    const hits = await pageOf(cluster, indices.events, {
      of,
      query: EVERYTHING,
      order: 'oldest',
      after,
      last: Number.MAX_SAFE_INTEGER,
      hits: hitsMax,
      msMax: pageMsMax,
    });
    if (!hits) {
      throw new ServiceError('unavailable', 'Elasticsearch did not find in time what to delete.');
    }
    const answers = await settle(
      cluster,
      hits.map(({ _index, _id }) => {
        return `${JSON.stringify({ delete: { _index, _id, routing: of.id } })}\n`;
      }),
    );
    const failed = answers.find(({ status }) => status >= 300 && status !== 404);
    if (failed) {
      throw new ServiceError('unavailable', `Elasticsearch deletes nothing: ${failed.reason}`);
    }
    if (hits.length < hitsMax) {
      break;
    }
    after = positionOf(hits.at(-1)!);
    await pause(performance.now() - begun);
  }
  await refresh(cluster, indices.events);
}
