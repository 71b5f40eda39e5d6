import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../until.js';

/** One of the real servers: how it comes here, how it is started and how it is reached. */
export interface Server {
  readonly name: string;
  /** Where it listens when a developer keeps it running. */
  readonly port: number;
  /** The environment variable in which the service takes its address. */
  readonly variable: string;
  /**
   * Fetches it, unless it is in the cache.
   *
   * @returns The folder that it is in.
   */
  install(signal: AbortSignal): Promise<string>;
  /**
   * Writes what it needs before its first start.
   *
   * @returns The arguments of Java.
   */
  configure(place: Place): Promise<readonly string[]>;
  address(port: number): string;
  /** Whether it does its work there; a port that is open is not enough. */
  answers(address: string): Promise<boolean>;
}

export interface Place {
  /** The program. */
  readonly java: string;
  /** What `install` gave. */
  readonly installed: string;
  /** For its configuration and its data alone. */
  readonly folder: string;
  readonly port: number;
  /** A second port, at which it listens only because it has to. */
  readonly innerPort: number;
}

/** How a server is started, in its folder: a test that has killed it starts the same again. */
export interface Launch {
  readonly java: string;
  readonly args: readonly string[];
  readonly address: string;
}

/** Three Java processes that start at once on two shared processors have taken 20 s. */
const START_MS_MAX = 120_000;
const LOG_LINES = 40;

/** For Java: what goes wrong is logged, of Kafka and of Elasticsearch. */
export const LOG_WARNINGS = `-Dlog4j2.configurationFile=${fileURLToPath(
  // From dist/test/stack, where this runs.
  new URL('../../../test/stack/log4j2.properties', import.meta.url),
)}`;

/** The text of a Java properties file. */
export function asProperties(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

export async function writeLaunch(folder: string, launch: Launch): Promise<void> {
  await writeFile(join(folder, 'launch.json'), JSON.stringify(launch));
}

/**
 * Starts a server and waits until it answers. It is no part of this process’s group, so that Ctrl-C
 * ends the tests first, and outlives it, so that a test can start what another one kills.
 *
 * @returns Its process.
 * @throws Error with the end of its log, when it ends instead.
 */
export async function launch(
  server: Server,
  folder: string,
  signal?: AbortSignal,
): Promise<ChildProcess> {
  const { java, args, address } = await readLaunch(folder);
  signal?.throwIfAborted();
  const log = await open(join(folder, 'log'), 'a');
  // What it unpacks into the temporary folder, and a kill leaves there, goes with its data.
  const child = spawn(java, [`-Djava.io.tmpdir=${folder}`, ...args], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  await once(child, 'spawn');
  child.unref();
  await log.close();
  await writeFile(join(folder, 'pid'), String(child.pid));
  const isUp = async (): Promise<boolean> => {
    signal?.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`${server.name} ended at its start:\n${await endOfLog(folder)}`);
    }
    return server.answers(address);
  };
  await until(`${server.name} answers`, isUp, START_MS_MAX);
  return child;
}

/** Ends a server as a crash does, if it runs, and waits until nothing answers any more. */
export async function kill(server: Server, folder: string): Promise<void> {
  const pidFile = join(folder, 'pid');
  const pid = await readFile(pidFile, 'utf8').catch(() => undefined);
  if (pid === undefined) {
    return;
  }
  try {
    process.kill(Number(pid), 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
  await rm(pidFile);
  // The process may stay a zombie, where nobody waits for it; its sockets and locks do not.
  const { address } = await readLaunch(folder);
  await until(`${server.name} is gone`, async () => !(await server.answers(address)));
}

export async function endOfLog(folder: string): Promise<string> {
  const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
  return log.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
}

async function readLaunch(folder: string): Promise<Launch> {
  return JSON.parse(await readFile(join(folder, 'launch.json'), 'utf8')) as Launch;
}
