import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What the benchmarks have in common: scripts in processes of their own, turns, and a table. */
const ROUNDS = 3;

export function script(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

/**
 * Runs a script of this folder to its end and gives the JSON that it prints.
 *
 * @param flags Of Node, before the script.
 */
export async function measure<T>(
  name: string,
  argument: unknown,
  flags: readonly string[] = [],
): Promise<T> {
  const args = [...flags, script(name), JSON.stringify(argument)];
  const child: ChildProcess = spawn(process.execPath, args, {
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

/** A script that works beside something else. */
export interface Beside<T> {
  /** The first line that it has printed. */
  readonly told: string;
  /** Ends it and gives the JSON that it prints. */
  end(): Promise<T>;
}

/**
 * Runs a script of this folder until its input ends, which it does with this process at the latest;
 * resolves once it has printed a first line.
 */
export async function beside<T>(name: string, argument: unknown): Promise<Beside<T>> {
  const child = spawn(process.execPath, [script(name), JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) {
      throw new Error(`${name} has ended before its time`);
    }
    return value;
  };
  const told = await next();
  return {
    told,
    end: async () => {
      child.stdin.end();
      return JSON.parse(await next()) as T;
    },
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** All sides in turns; a ratio is the median of the ratios of each turn. */
export async function compare(
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

export function row(...cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

export function rate(value: number): string {
  return `${Math.round(value).toLocaleString('en')}/s`;
}

export function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
