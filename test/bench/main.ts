import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { spawnNode, temporaryFolder } from '../support/node.js';
import type { Measured } from './load.js';
import { compare, measure, ms, rate, row, script } from './run.js';

/**
 * Measures the service beside the least that could do the same, in turns, so that both meet the
 * machine in the same mood; prints medians and their ratios as the table of the README.
 *
 * `npm run bench` runs all of it; `npm run bench -- deliver` one part (deliver, most, emit).
 */
const SECONDS = 3;

interface Workload {
  readonly name: string;
  readonly subscribers: number;
  readonly rate?: number;
  readonly seconds?: number;
}

const WORKLOADS: readonly Workload[] = [
  { name: '100 subscribers, 200 events/s', subscribers: 100, rate: 200 },
  { name: '10 subscribers, 2,000 events/s', subscribers: 10, rate: 2_000 },
  { name: '1,000 subscribers, 20 events/s', subscribers: 1_000, rate: 20 },
];
/** Once for each server, before anything is told: by then its code is compiled. */
const WARMING: Workload = {
  name: 'warming',
  subscribers: 10,
  rate: 2_000,
  seconds: 8,
};
const MOST: Workload = { name: '100 subscribers, as much as goes', subscribers: 100 };

/** Quotas are counted, as they are by default, but let everything through. */
const AMPLE = {
  QUOTA_EVENTS_PER_SECOND: '10000000',
  QUOTA_BYTES_PER_SECOND: '10000000000',
  QUOTA_SEARCHES_PER_SECOND: '10000000',
};

interface Running {
  readonly url: string;
  stop(): Promise<void>;
}

async function service(): Promise<Running> {
  const folder = await temporaryFolder();
  const node = await spawnNode({ DATA_DIR: folder.path, ...AMPLE });
  return {
    url: node.url,
    stop: async () => {
      await node.end();
      await folder.remove();
    },
  };
}

async function broadcast(kind: 'broadcast' | 'durable'): Promise<Running> {
  const child = spawn(process.execPath, [script('broadcast'), kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = /listens on (\S+),/.exec(line.toString())?.[1] ?? '';
  return {
    url,
    stop: async () => {
      child.kill();
      await once(child, 'exit');
    },
  };
}

type Kind = 'service' | 'broadcast' | 'durable';
const KINDS: readonly Kind[] = ['service', 'broadcast', 'durable'];

function start(kind: Kind): Promise<Running> {
  return kind === 'service' ? service() : broadcast(kind);
}

async function deliver(url: string, kind: Kind, workload: Workload): Promise<Measured> {
  const { subscribers, rate, seconds = SECONDS } = workload;
  return await measure<Measured>('load', { url, kind, subscribers, rate, seconds });
}

async function emit(format: 'batch' | 'lines'): Promise<number> {
  const running = await service();
  try {
    const asked = { url: running.url, format, seconds: SECONDS };
    return (await measure<{ eventsPerSecond: number }>('emitter', asked)).eventsPerSecond;
  } finally {
    await running.stop();
  }
}

async function groupCommit(): Promise<number> {
  const { eventsPerSecond } = await measure<{ eventsPerSecond: number }>('groupcommit', {
    seconds: SECONDS,
  });
  return eventsPerSecond;
}

async function p99(url: string, kind: Kind, workload: Workload): Promise<number> {
  const measured = await deliver(url, kind, workload);
  if (measured.missing !== 0) {
    throw new Error(`${kind} has not delivered ${String(measured.missing)} events`);
  }
  return measured.p99;
}

/**
 * The servers stay: what is told is how long-running ones deliver, not how Node compiles. One that
 * is not being measured has nothing to do.
 */
async function latencies(): Promise<void> {
  const running = await Promise.all(KINDS.map(start));
  const of = (kind: Kind, workload: Workload) => (): Promise<number> =>
    p99(running[KINDS.indexOf(kind)]!.url, kind, workload);
  try {
    for (const kind of KINDS) {
      await of(kind, WARMING)();
    }
    for (const workload of WORKLOADS) {
      const [ours, ...baselines] = KINDS.map((kind) => of(kind, workload));
      await compare(`p99 of delivery, ${workload.name}`, ms, ours!, ...baselines);
    }
  } finally {
    await Promise.all(running.map((server) => server.stop()));
  }
}

async function most(kind: Kind): Promise<number> {
  const running = await start(kind);
  try {
    return (await deliver(running.url, kind, MOST)).deliveriesPerSecond;
  } finally {
    await running.stop();
  }
}

const part = process.argv[2];

row('what', 'workspace-events', 'bare', 'ratio', 'bare, durable', 'ratio');
row(...Array<string>(6).fill('---'));
if (part === undefined || part === 'deliver') {
  await latencies();
}
if (part === undefined || part === 'most') {
  await compare(
    `deliveries, ${MOST.name}`,
    rate,
    () => most('service'),
    () => most('broadcast'),
  );
}
if (part === undefined || part === 'emit') {
  await compare('durable emit over HTTP, batches of 100', rate, () => emit('batch'), groupCommit);
  await compare('durable emit over HTTP, NDJSON', rate, () => emit('lines'), groupCommit);
}
