import { spawn } from 'node:child_process';
import { spawnNode, temporaryFolder } from '../support/node.js';
import { address, deepKeyset, load } from './analysis.load.js';
import { queries, type Query } from './analysis.queries.js';
import { percentile } from './frames.js';
import { post } from './http.js';
import type { Passed } from './passage.js';
import { measure, ms, row, script } from './run.js';

/**
 * What the queries of analysts cost on the embedded store as history grows a hundredfold, and what
 * they cost each other and the deliveries beside them. Prints the tables of the README, and fails
 * where a query costs much more of the larger history, though its answer is as large.
 *
 * `npm run bench:analysis`, or with another size: `npm run bench:analysis -- 200000`.
 */
const SMALL = 10_000;
const LARGE = Number(process.argv[2] ?? 1_000_000);
const GROWTH_MAX = 3;
const TIMES = 300;
const WARM_TIMES = 30;
const DELIVERY = { rate: 100, seconds: 20 };

/** A node with so many events, and the `next` of the page before the deep one. */
interface Node {
  readonly url: string;
  readonly events: number;
  readonly deep: string;
  stop(): Promise<void>;
}

async function loaded(events: number): Promise<Node> {
  const folder = await temporaryFolder();
  // An aggregation of all events takes its time beside all else.
  const node = await spawnNode({ DATA_DIR: folder.path, SEARCH_MS_MAX: '600000' });
  const began = performance.now();
  await load(node.url, events);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  process.stderr.write(`${String(events)} events loaded and searchable in ${seconds} s\n`);
  return {
    url: node.url,
    events,
    deep: await deepKeyset(node.url),
    stop: async () => {
      await node.end();
      await folder.remove();
    },
  };
}

async function answered({ url }: Node, query: Query): Promise<number> {
  const body = JSON.stringify(query);
  const began = performance.now();
  await post(address(url, 'search'), body);
  return performance.now() - began;
}

/** Of a query, at each of the nodes in turns, so that all meet the machine in the same mood. */
async function p95s(
  nodes: readonly Node[],
  query: (node: Node) => () => Query,
): Promise<readonly number[]> {
  const sides = nodes.map((node) => ({ node, next: query(node), latencies: [] as number[] }));
  for (let time = 0; time < WARM_TIMES + TIMES; time++) {
    for (const { node, next, latencies } of sides) {
      latencies.push(await answered(node, next()));
    }
  }
  return sides.map(({ latencies }) => {
    const sorted = latencies.slice(WARM_TIMES).sort((a, b) => a - b);
    return percentile(sorted, 0.95);
  });
}

/** Prints what each query costs; gives those that cost too much more. */
async function growth(small: Node, large: Node): Promise<string[]> {
  const grown: string[] = [];
  const of = ({ events }: Node): string => `p95 of ${events.toLocaleString('en')}`;
  row('query', 'answered from', of(small), of(large), 'growth');
  row(...Array<string>(5).fill('---'));
  for (const [name, { from }] of Object.entries(queries(small.events, small.deep))) {
    const [before, after] = await p95s(
      [small, large],
      ({ events, deep }) => queries(events, deep)[name]!.next,
    );
    const times = after! / before!;
    row(name, from, ms(before!), ms(after!), times.toFixed(2));
    if (times > GROWTH_MAX) {
      grown.push(name);
    }
  }
  return grown;
}

/** Has queries asked in a process of its own, one after the other, while something is measured. */
async function whileAsking<T>(node: Node, what: string, work: () => Promise<T>): Promise<T> {
  const argument = JSON.stringify({ ...node, what });
  const asking = spawn(process.execPath, [script('analysis.asking'), argument], {
    stdio: 'inherit',
  });
  try {
    return await work();
  } finally {
    asking.kill();
  }
}

async function beside(node: Node): Promise<void> {
  const passage = { kind: 'service', emitUrl: node.url, tailUrl: node.url };
  const measured = async (): Promise<string[]> => {
    const { p50, p99 } = await measure<Passed>('passage', { passage, ...DELIVERY });
    const search = queries(node.events, node.deep)['by payload equality']!;
    const [p95] = await p95s([node], () => search.next);
    return [ms(p50), ms(p99), ms(p95!)];
  };
  row('asked meanwhile', 'delivery, p50', 'delivery, p99', 'search by payload equality, p95');
  row(...Array<string>(4).fill('---'));
  row('nothing', ...(await measured()));
  for (const what of ['all ten', 'everything'] as const) {
    const cells = await whileAsking(node, what, measured);
    row(
      what === 'all ten' ? 'all ten queries, in turns' : 'an aggregation of all events',
      ...cells,
    );
  }
}

const small = await loaded(SMALL);
const large = await loaded(LARGE);
try {
  const grown = await growth(small, large);
  process.stdout.write('\n');
  await beside(large);
  if (grown.length > 0) {
    throw new Error(`grown more than ${String(GROWTH_MAX)} times: ${grown.join(', ')}`);
  }
} finally {
  await large.stop();
  await small.stop();
}
