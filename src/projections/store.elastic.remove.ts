import { ServiceError } from '../errors.js';
import type { Incarnation } from '../event.js';
import { pause } from '../pause.js';
import { EVERYTHING } from '../queries/filter.elastic.js';
import { settle } from './store.elastic.bulk.js';
import type { Cluster } from './store.elastic.client.js';
import { hitsMax, keyOf, pageOf } from './store.elastic.reader.js';
import { QueryTime } from './store.elastic.time.js';
import type { SortKey } from './store.js';

/** A page is found at once; this is for a cluster that has much else to do. */
const pageMsMax = 30_000;

/**
 * Deletes the events of an incarnation up to a position, the oldest first, page by page, with a
 * rest after each: others have half of the cluster at least. Yields how many each page has removed.
 * What is cut short goes on where it was when it is asked for again. Not by `delete by query`,
 * which a cluster of the core alone does not have.
 */
export async function* remove(
  cluster: Cluster,
  index: string,
  of: Incarnation,
  upTo: number,
): AsyncGenerator<number> {
  await cluster.refresh(index);
  for (let after: SortKey | undefined; ;) {
    const begun = performance.now();
    const page = await pageOf(cluster, index, {
      of: [of],
      query: EVERYTHING,
      sort: 'position',
      order: 'oldest',
      after,
      last: upTo,
      hits: hitsMax,
      time: new QueryTime(pageMsMax),
      versions: true,
    });
    if (!page) {
      throw new ServiceError('unavailable', 'Elasticsearch did not find in time what to delete.');
    }
    const end = page.at(-1);
    if (!end) {
      break;
    }
    const answers = await settle(
      cluster,
      page.map(({ _index, _id, _seq_no: if_seq_no, _primary_term: if_primary_term }) => {
        // Where another node has removed it since, a new event may have its id.
        const action = { _index, _id, routing: of.id, if_seq_no, if_primary_term };
        return `${JSON.stringify({ delete: action })}\n`;
      }),
    );
    const failed = answers.find(({ status }) => status >= 300 && status !== 404 && status !== 409);
    if (failed) {
      throw new ServiceError('unavailable', `Elasticsearch deletes nothing: ${failed.reason}`);
    }
    const pauseMs = performance.now() - begun;
    yield answers.filter(({ status }) => status < 300).length;
    after = keyOf(end);
    if (page.length < hitsMax) {
      break;
    }
    await pause(pauseMs);
  }
  await cluster.refresh(index);
}
