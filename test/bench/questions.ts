import { randomUUID } from 'node:crypto';
import { nameOf } from '../../src/event.js';
import { translate } from '../../src/queries/filter.elastic.js';
import { parseFilter } from '../../src/queries/filter.js';
import { request } from '../support/client.js';
import { spawnNode, temporaryFolder } from '../support/node.js';
import { address, deepKeyset, load, WORKSPACE } from './analysis.load.js';
import { DEEP_PAGE, DEEP_PAGE_EVENTS, queries, type Query } from './analysis.queries.js';
import { percentile } from './frames.js';
import { post } from './http.js';
import { beside, median, ms, row } from './run.js';

/**
 * What the service adds to the queries of analysts: each of them asked of a node, and the same of
 * Elasticsearch itself by who knows the layout of its indices, directly and through a proxy that
 * does nothing, in turns.
 */
const EVENTS = 200_000;
const TIMES = 200;
const WARM_TIMES = 50;

/** As the store numbers the only path that has numbers. */
const TOTALS = 'numbers.c0';

/** @param settings Of a node that uses Elasticsearch; its log is its own. */
export async function questions(
  elasticsearch: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const prefix = `bench-${randomUUID().slice(0, 8)}`;
  const proxy = await beside('proxy', elasticsearch);
  const folder = await temporaryFolder();
  const node = await spawnNode({
    ...settings,
    DATA_DIR: folder.path,
    ELASTICSEARCH_INDEX_PREFIX: prefix,
  });
  try {
    await load(node.url, EVENTS);
    const { body } = await request(`${node.url}/v2/workspaces/${WORKSPACE}`);
    const of = nameOf({ id: WORKSPACE, epoch: body.epoch as string, generation: 0 });
    const bare =
      (at: string, next: () => Query): (() => Promise<unknown>) =>
      () =>
        post(`${at}/${prefix}/_search?routing=${WORKSPACE}`, JSON.stringify(bareQuery(next(), of)));
    const ratios: number[] = [];
    const hops: number[] = [];
    for (const [name, { next }] of Object.entries(queries(EVENTS, await deepKeyset(node.url)))) {
      const [ours, theirs, passed] = await medians(
        () => post(address(node.url, 'search'), JSON.stringify(next())),
        bare(elasticsearch, next),
        bare(proxy.told, next),
      );
      ratios.push(ours! / theirs!);
      hops.push(passed! / theirs!);
      row(`${name}, p50`, ms(ours!), ms(theirs!), (ours! / theirs!).toFixed(2));
    }
    row('the ten queries, in the median', '', '', median(ratios).toFixed(2));
    row('the same through a proxy that does nothing', '', '', median(hops).toFixed(2));
  } finally {
    await proxy.end();
    await node.end();
    await folder.remove();
  }
}

async function medians(...sides: readonly (() => Promise<unknown>)[]): Promise<readonly number[]> {
  const latencies = sides.map((): number[] => []);
  for (let time = 0; time < WARM_TIMES + TIMES; time++) {
    for (const [index, ask] of sides.entries()) {
      const began = performance.now();
      await ask();
      latencies[index]!.push(performance.now() - began);
    }
  }
  return latencies.map((all) => {
    const sorted = all.slice(WARM_TIMES).sort((a, b) => a - b);
    return percentile(sorted, 0.5);
  });
}

/** What Elasticsearch is asked for at least: without checks, watermark and form of an answer. */
function bareQuery({ filter = {}, limit, next, groupBy }: Query, of: string): Query {
  const query = {
    bool: { filter: [{ term: { of } }, translate(parseFilter(filter)).query] },
  };
  if (groupBy !== undefined) {
    const [grouping] = groupBy as readonly (string | { field: string; interval: string })[];
    return { query, size: 0, track_total_hits: false, aggs: { groups: bareGroups(grouping!) } };
  }
  const before = EVENTS - (DEEP_PAGE - 1) * DEEP_PAGE_EVENTS;
  return {
    query,
    size: limit,
    track_total_hits: false,
    sort: [{ position: 'desc' }],
    _source: ['bytes'],
    ...(next !== undefined && { search_after: [before] }),
  };
}

function bareGroups(grouping: string | { field: string; interval: string }): Query {
  return typeof grouping === 'object'
    ? { date_histogram: { field: grouping.field, fixed_interval: grouping.interval } }
    : {
        terms: { field: `values.${grouping}`, size: 10_000 },
        aggs: { mean: { avg: { field: TOTALS } } },
      };
}
