import { QUOTAS } from '../../src/config.quota.js';
import { as, configure, IDENTITY } from '../support/identity.js';
import { spawnNode, temporaryFolder } from '../support/node.js';
import type { Greedy } from './flood.greedy.js';
import type { Slowed } from './flood.slow.js';
import { post } from './http.js';
import type { Measured } from './load.js';
import { beside, measure, median, ms, row, type Beside } from './run.js';

/**
 * What a flood takes from others: the delivery of events that come at random times, as from many
 * producers, beside nobody, beside connections that are half open or slow, beside a client that
 * sends a hundred times its quota, and beside both, in turns. Prints medians as the table of the
 * README, and fails where a flood makes the p99 of others more than twice as long.
 */
const ROUNDS = 5;
const OTHERS = { kind: 'service', subscribers: 50, rate: 200, isRandom: true, seconds: 8 } as const;
/** Each takes a file of the node and one of its own process: `ulimit -n` must be above it. */
const CONNECTIONS = 2_000;
const QUOTA = 100;
/** Emits over HTTP before anything is measured, so many at once. */
const WARM_REQUESTS = 20_000;
const WARM_AT_ONCE = 20;
const TIMES_QUOTA = 100;
const GROWTH_MAX = 2;

/** The workspaces of those who are measured, as `load` names it, and of the attackers. */
const WORKSPACE = 'bench';
const FLOODED = 'flooded';

/** What `npm start` has by itself; the nodes of tests and benchmarks are without bounds. */
const DEFAULTS = Object.fromEntries(
  Object.values(QUOTAS).map(({ env, default: bound }) => [env, String(bound)]),
);

type Attack = (url: string) => Promise<Pick<Beside<string>, 'end'>>;

const slow: Attack = async (url) => {
  const credential = await as('editor', FLOODED, 'slow');
  const asked = { url, workspace: FLOODED, credential, connections: CONNECTIONS };
  const attack = await beside<Slowed>('flood.slow', asked);
  return {
    end: async () => {
      const { open, closed } = await attack.end();
      return `${String(open)} connections open, ${String(closed)} closed by the node`;
    },
  };
};

const greedy: Attack = async (url) => {
  const credential = await as('editor', FLOODED, 'greedy');
  const asked = { url, workspace: FLOODED, credential, rate: TIMES_QUOTA * QUOTA };
  const attack = await beside<Greedy>('flood.greedy', asked);
  return {
    end: async () => {
      const { sent, accepted, refused } = await attack.end();
      const of = `${String(accepted)} accepted, ${String(refused)} refused`;
      return `${String(sent)} events/s sent, ${of}`;
    },
  };
};

const SITUATIONS: Readonly<Record<string, readonly Attack[]>> = {
  'nobody else': [],
  '2,000 half-open and slow connections': [slow],
  'a client at 100 times its quota': [greedy],
  both: [slow, greedy],
};

interface Turn extends Measured {
  readonly meanwhile: string;
}

async function turn(url: string, attacks: readonly Attack[]): Promise<Turn> {
  const credential = await as('editor', WORKSPACE, 'other');
  const running = await Promise.all(attacks.map((attack) => attack(url)));
  const measured = await measure<Measured>('load', { ...OTHERS, url, credential });
  const told = await Promise.all(running.map((attack) => attack.end()));
  if (measured.missing !== 0) {
    throw new Error(`${String(measured.missing)} events have not been delivered`);
  }
  return { ...measured, meanwhile: told.join('; ') };
}

/** The way over HTTP, which attackers take and the others do not, is to be compiled as well. */
async function warm(url: string): Promise<void> {
  const headers = { Authorization: `Bearer ${await as('editor', WORKSPACE, 'other')}` };
  const address = `${url}/v2/workspaces/${WORKSPACE}/events`;
  let sent = 0;
  const emit = async (): Promise<void> => {
    while (sent++ < WARM_REQUESTS) {
      await post(address, '{"type":"bench.warm","payload":{}}', headers);
    }
  };
  await Promise.all(Array.from({ length: WARM_AT_ONCE }, emit));
}

/** @returns The names of the situations in which others wait too long. */
async function compareSituations(url: string): Promise<string[]> {
  const inTurns = async (): Promise<Record<string, Turn>> => {
    const turns: Record<string, Turn> = {};
    for (const [name, attacks] of Object.entries(SITUATIONS)) {
      turns[name] = await turn(url, attacks);
    }
    return turns;
  };
  // Once untold: by then the node runs compiled code.
  await warm(url);
  await inTurns();
  const rounds: Record<string, Turn>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push(await inTurns());
  }
  row('beside', 'delivery, p50', 'delivery, p99', 'p99 to that of nobody else', 'last round');
  row(...Array<string>(5).fill('---'));
  return Object.keys(SITUATIONS).filter((name) => {
    const of = (read: (turn: Turn) => number): number =>
      median(rounds.map((turns) => read(turns[name]!)));
    const growth = median(rounds.map((turns) => turns[name]!.p99 / turns['nobody else']!.p99));
    const { meanwhile } = rounds.at(-1)![name]!;
    row(name, ms(of(({ p50 }) => p50)), ms(of(({ p99 }) => p99)), growth.toFixed(2), meanwhile);
    return growth > GROWTH_MAX;
  });
}

const folder = await temporaryFolder();
const node = await spawnNode({ DATA_DIR: folder.path, ...IDENTITY, ...DEFAULTS });
try {
  await configure(node.url, WORKSPACE);
  await configure(node.url, FLOODED, { quotas: { caller: { eventsPerSecond: QUOTA } } });
  const slowed = await compareSituations(node.url);
  if (slowed.length > 0) {
    throw new Error(`p99 grown more than ${String(GROWTH_MAX)} times: ${slowed.join(', ')}`);
  }
} finally {
  await node.end();
  await folder.remove();
}
