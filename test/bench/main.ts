import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { spawnNode, temporaryFolder } from '../support/node.js';
import type { Measured } from './load.js';

/**
 * Measures the service beside the least that could do the same, in turns, so that both meet the
 * machine in the same mood; prints medians and their ratios as the table of the README.
 *
 * `npm run bench` runs all of it; `npm run bench -- deliver` one part (deliver, most, emit).
 */
const ROUNDS = 3;
const SECONDS = 3;

interface Workload {
  readonly name: string;
  readonly subscribers: number;
  readonly rate?: number;
}

const WORKLOADS: readonly Workload[] = [
  { name: '100 subscribers, 200 events/s', subscribers: 100, rate: 200 },
  { name: '10 subscribers, 2,000 events/s', subscribers: 10, rate: 2_000 },
  { name: '1,000 subscribers, 20 events/s', subscribers: 1_000, rate: 20 },
];
const MOST: Workload = { name: '100 subscribers, as much as goes', subscribers: 100 };

interface Running {
  readonly url: string;
  stop(): Promise<void>;
}

function script(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

async function service(): Promise<Running> {
  const folder = await temporaryFolder();
  const node = await spawnNode({ DATA_DIR: folder.path });
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

/** Runs a script of this folder to its end and gives the JSON that it prints. */
async function measure<T>(name: string, argument: unknown): Promise<T> {
  const child: ChildProcess = spawn(process.execPath, [script(name), JSON.stringify(argument)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) {
    throw new Error(`${name} ended with ${String(code)}`);
  }
  return JSON.parse(output) as T;
}

type Kind = 'service' | 'broadcast' | 'durable';

async function deliver(kind: Kind, workload: Workload): Promise<Measured> {
  const running = await (kind === 'service' ? service() : broadcast(kind));
  try {
    const { subscribers, rate } = workload;
    const load = { url: running.url, kind, subscribers, rate, seconds: SECONDS };
    return await measure<Measured>('load', load);
  } finally {
    await running.stop();
  }
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** All sides in turns; a ratio is the median of the ratios of each turn. */
async function compare(
  name: string,
  told: (value: number) => string,
  ours: () => Promise<number>,
  ...baselines: readonly (() => Promise<number>)[]
): Promise<void> {
  const turns: { ours: number; bare: number[] }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare: number[] = [];
    for (const baseline of baselines) {
      bare.push(await baseline());
    }
    turns.push({ bare, ours: await ours() });
  }
  const cells = baselines.flatMap((_, index) => [
    told(median(turns.map(({ bare }) => bare[index]!))),
    median(turns.map((turn) => turn.ours / turn.bare[index]!)).toFixed(2),
  ]);
  row(name, told(median(turns.map((turn) => turn.ours))), ...cells);
}

function row(...cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

function rate(value: number): string {
  return `${Math.round(value).toLocaleString('en')}/s`;
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

async function p99(kind: Kind, workload: Workload): Promise<number> {
  const measured = await deliver(kind, workload);
  if (measured.missing !== 0) {
    throw new Error(`${kind} has not delivered ${String(measured.missing)} events`);
  }
  return measured.p99;
}

async function most(kind: Kind): Promise<number> {
  return (await deliver(kind, MOST)).deliveriesPerSecond;
}

const part = process.argv[2];

row('what', 'workspace-events', 'bare', 'ratio', 'bare, durable', 'ratio');
row(...Array<string>(6).fill('---'));
if (part === undefined || part === 'deliver') {
  for (const workload of WORKLOADS) {
    await compare(
      `p99 of delivery, ${workload.name}`,
      ms,
      () => p99('service', workload),
      () => p99('broadcast', workload),
      () => p99('durable', workload),
    );
  }
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
