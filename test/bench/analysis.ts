import { spawn, type ChildProcess } from 'node:child_process';
import { spawnNode, temporaryFolder } from '../support/node.js';
import { queries, type Query } from './analysis.queries.js';
import { address, deepKeyset, load } from './analysis.load.js';
import { percentile } from './frames.js';
import { post } from './http.js';
import type { Passed } from './passage.js';
import { measure, ms, row, script } from './run.js';

/**
 * What the queries of analysts cost on the embedded store as history grows a hundredfold, and what
 * they cost the delivery beside them. Prints the tables of docs/aggregation.md.
 *
 * `npm run bench:analysis`, or with another size: `npm run bench:analysis -- 200000`.
 */
const SMALL = 10_000;
const LARGE = Number(process.argv[2] ?? 1_000_000);
const TIMES = 200;
const WARM_TIMES = 20;
const DELIVERY = { rate: 100, seconds: 10 };

type Latencies = Record<string, number>;

/** The 95th percentile of each query, in milliseconds. */
async function latencies(url: string, events: number): Promise<Latencies> {
  const asked = queries(events, await deepKeyset(url));
  const found: Latencies = {};
  for (const [name, query] of Object.entries(asked)) {
    found[name] = percentile(await timed(url, query, WARM_TIMES, TIMES), 0.95);
  }
  return found;
}

async function timed(
  url: string,
  query: () => Query,
  warm: number,
  times: number,
): Promise<number[]> {
  const all: number[] = [];
  for (let time = 0; time < warm + times; time++) {
    const body = JSON.stringify(query());
    const began = performance.now();
    await post(address(url, 'search'), body);
    all.push(performance.now() - began);
  }
  return all.slice(warm).sort((a, b) => a - b);
}

/** From emit to receipt, at a node that answers queries all the time, or nothing else. */
async function delivery(url: string): Promise<Passed> {
  const passage = { kind: 'service', emitUrl: url, tailUrl: url };
  return measure<Passed>('passage', { passage, ...DELIVERY });
}

async function withNode<T>(events: number, work: (url: string) => Promise<T>): Promise<T> {
  const folder = await temporaryFolder();
  const node = await spawnNode({ DATA_DIR: folder.path });
  try {
    const began = performance.now();
    await load(node.url, events);
    const seconds = (performance.now() - began) / 1_000;
    process.stderr.write(
      `${String(events)} events loaded and searchable in ${seconds.toFixed(0)} s\n`,
    );
    return await work(node.url);
  } finally {
    await node.end();
    await folder.remove();
  }
}

function asking(url: string, events: number, deep: string): ChildProcess {
  const argument = JSON.stringify({ url, events, deep });
  return spawn(process.execPath, [script('analysis.asking'), argument], { stdio: 'inherit' });
}

const small = await withNode(SMALL, (url) => latencies(url, SMALL));
await withNode(LARGE, async (url) => {
  const large = await latencies(url, LARGE);
  row(
    'query',
    `p95 of ${SMALL.toLocaleString('en')}`,
    `p95 of ${LARGE.toLocaleString('en')}`,
    'growth',
  );
  row(...Array<string>(4).fill('---'));
  for (const [name, p95] of Object.entries(large)) {
    row(name, ms(small[name]!), ms(p95), (p95 / small[name]!).toFixed(2));
  }
  const idle = await delivery(url);
  const asker = asking(url, LARGE, await deepKeyset(url));
  const busy = await delivery(url);
  asker.kill();
  process.stdout.write('\n');
  row('delivery, from emit to receipt', 'idle', 'while all ten are asked', 'ratio');
  row(...Array<string>(4).fill('---'));
  for (const key of ['p50', 'p99'] as const) {
    row(key, ms(idle[key]), ms(busy[key]), (busy[key] / idle[key]).toFixed(2));
  }
});
