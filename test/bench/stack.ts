import { randomUUID } from 'node:crypto';
import { administer } from '../stack/admin.js';
import { withStack } from '../stack/stack.js';
import { spawnNode, START_FLAGS } from '../support/node.js';
import type { Passage, Passed } from './passage.js';
import { questions } from './questions.js';
import { beside, compare, measure, median, ms, rate, row } from './run.js';

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
const HISTORY_EVENTS = 200_000;
/** Elasticsearch still compiles itself during the first, and takes half as much a second. */
const HISTORY_WARMING_ROUNDS = 2;

interface Servers {
  readonly brokers: readonly string[];
  readonly elasticsearch: string;
  /** Of nodes that use them. */
  readonly settings: Record<string, string>;
}

/**
 * From an emit at one node to the receipt at another, over WebSocket: by nodes that serve clients
 * alone, beside kafkajs alone, and by nodes that write the history as well, beside kafkajs with an
 * indexer. Elasticsearch works on the same processors.
 */
async function passage(servers: Servers): Promise<void> {
  await passageBy('two nodes', servers, false);
  await passageBy('two that write history', servers, true);
}

async function passageBy(by: string, servers: Servers, historizes: boolean): Promise<void> {
  const { brokers, settings, elasticsearch } = servers;
  const own = { ...settings, ROLES: historizes ? 'api,projector' : 'api' };
  const nodes = [await spawnNode(own), await spawnNode(own)] as const;
  const pass = (way: Passage): Promise<Passed> =>
    measure<Passed>('passage', { passage: way, rate: RATE, seconds: SECONDS });
  const bare = async (): Promise<Passed> => {
    const topic = `bare-${randomUUID()}`;
    await administer(brokers.join(','), (admin) =>
      admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true }),
    );
    const asked = { brokers, topic, elasticsearch };
    const indexer = historizes ? await beside<{ events: number }>('indexer', asked) : undefined;
    const passed = await pass({ kind: 'bare', brokers, topic });
    const indexed = await indexer?.end();
    if (indexed && indexed.events < RATE * SECONDS) {
      throw new Error(`only ${String(indexed.events)} events have been indexed`);
    }
    return passed;
  };
  const turn = async (): Promise<{ bare: Passed; ours: Passed }> => {
    const [{ url: emitUrl }, { url: tailUrl }] = nodes;
    return { bare: await bare(), ours: await pass({ kind: 'service', emitUrl, tailUrl }) };
  };
  try {
    // Once untold: servers that have just been started compile themselves on the same processors.
    await turn();
    const turns: Awaited<ReturnType<typeof turn>>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      turns.push(await turn());
    }
    for (const [what, key] of [
      ['emit to receipt, p50', 'p50'],
      ['emit to receipt, p99', 'p99'],
      ['acknowledgement to receipt, p50', 'acknowledgedP50'],
      ['acknowledgement to receipt, p99', 'acknowledgedP99'],
    ] as const) {
      const ours = median(turns.map((each) => each.ours[key]));
      const least = median(turns.map((each) => each.bare[key]));
      const ratio = median(turns.map((each) => each.ours[key] / each.bare[key]));
      row(`${what}, ${String(RATE)} events/s by ${by}`, ms(ours), ms(least), ratio.toFixed(2));
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
  for (let round = 0; round < HISTORY_WARMING_ROUNDS; round++) {
    await write('bare')();
    await write('service')();
  }
  await compare('projection of a backlog', rate, write('service'), write('bare'));
}

function analysis({ elasticsearch }: Servers): Promise<void> {
  const settings = { ELASTICSEARCH_URL: elasticsearch, ELASTICSEARCH_REPLICAS: '0' };
  return questions(elasticsearch, settings);
}

const parts = { history, passage, analysis };
const wanted = process.argv[2];

await withStack(false, async ({ env }, signal) => {
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
    signal.throwIfAborted();
    if (wanted === undefined || wanted === name) {
      await part(servers);
    }
  }
});
