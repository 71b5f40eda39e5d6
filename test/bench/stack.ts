import { randomUUID } from 'node:crypto';
import { withStack } from '../stack/stack.js';
import { spawnNode, START_FLAGS } from '../support/node.js';
import type { Passage, Passed } from './passage.js';
import { questions } from './questions.js';
import { compare, measure, median, ms, rate, row } from './run.js';

/**
 * Measures what the service adds to the real servers, beside the least that could be done with
 * them, in turns; prints medians and their ratios as the table of the README.
 *
 * `npm run bench:stack` runs all of it; `npm run bench:stack -- passage` one part (history,
 * passage, analysis).
 */
const ROUNDS = 3;
const RATE = 500;
const SECONDS = 10;
const HISTORY_EVENTS = 100_000;

interface Servers {
  readonly brokers: readonly string[];
  readonly elasticsearch: string;
  /** Of nodes that use them. */
  readonly settings: Record<string, string>;
}

/** From an emit at one node to the receipt at another, over WebSocket. */
async function passage({ brokers, settings }: Servers): Promise<void> {
  const nodes = [await spawnNode(settings), await spawnNode(settings)] as const;
  const pass = async (way: Passage): Promise<Passed> => {
    const passed = await measure<Passed>('passage', { passage: way, rate: RATE, seconds: SECONDS });
    if (passed.missing > 0) {
      throw new Error(`${way.kind} has not delivered ${String(passed.missing)} events`);
    }
    return passed;
  };
  try {
    const ours: Passed[] = [];
    const bare: Passed[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(await pass({ kind: 'bare', brokers, topic: `bare-${randomUUID()}` }));
      const [{ url: emitUrl }, { url: tailUrl }] = nodes;
      ours.push(await pass({ kind: 'service', emitUrl, tailUrl }));
    }
    for (const [what, key] of [
      ['emit to receipt, p50', 'p50'],
      ['emit to receipt, p99', 'p99'],
      ['acknowledgement to receipt, p50', 'acknowledgedP50'],
      ['acknowledgement to receipt, p99', 'acknowledgedP99'],
    ] as const) {
      const of = (all: readonly Passed[]): number => median(all.map((passed) => passed[key]));
      const ratio = median(ours.map((passed, index) => passed[key] / bare[index]![key]));
      const cells = [ms(of(ours)), ms(of(bare)), ratio.toFixed(2)];
      row(`${what}, ${String(RATE)} events/s through two nodes`, ...cells);
    }
  } finally {
    await Promise.all(nodes.map((node) => node.end()));
  }
}

async function history({ brokers, elasticsearch }: Servers): Promise<void> {
  const write = (kind: string) => async (): Promise<number> => {
    // It runs parts of a node, as a node does.
    const asked = { brokers, elasticsearch, kind, events: HISTORY_EVENTS };
    return (await measure<{ eventsPerSecond: number }>('history', asked, START_FLAGS))
      .eventsPerSecond;
  };
  // By then the servers run compiled code.
  await write('bare')();
  await write('service')();
  await compare('projection of a backlog', rate, write('service'), write('bare'));
}

function analysis({ elasticsearch }: Servers): Promise<void> {
  const settings = { ELASTICSEARCH_URL: elasticsearch, ELASTICSEARCH_REPLICAS: '0' };
  return questions(elasticsearch, settings);
}

const parts = { history, passage, analysis };
const wanted = process.argv[2];

await withStack(false, async ({ env }) => {
  const servers: Servers = {
    brokers: env.KAFKA_BROKERS!.split(','),
    elasticsearch: env.ELASTICSEARCH_URL!,
    settings: {
      ...env,
      KAFKA_REPLICATION_FACTOR: '1',
      KAFKA_MIN_INSYNC_REPLICAS: '1',
      ELASTICSEARCH_REPLICAS: '0',
    },
  };
  row('what', 'workspace-events', 'bare', 'ratio');
  row(...Array<string>(4).fill('---'));
  for (const [name, part] of Object.entries(parts)) {
    if (wanted === undefined || wanted === name) {
      await part(servers);
    }
  }
});
