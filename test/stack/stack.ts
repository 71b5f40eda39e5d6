import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '../support/node.js';
import { sharedClasses } from './classes.js';
import { findJdk, type Jdk } from './java.js';
import { endOfLog, kill, launch, writeLaunch, type Server } from './server.js';
import { SERVERS } from './servers.js';

/** The servers while they run. */
export interface Stack {
  /** What tells the service, and the tests, where they are. */
  readonly env: Readonly<Record<string, string>>;
  /** The end of the log of each. */
  logs(): Promise<string>;
}

/**
 * Below the ports that the system gives to clients: while a server is down, one that tries to reach
 * it could be given its port, and then be connected to itself.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 30_000;

/**
 * Starts the servers, on free ports and in a temporary folder, and stops them when `use` has ended,
 * has failed, or the process is told to stop.
 *
 * @param atUsualPorts Whether to take those that developers know, as far as they are free.
 * @param use Is told by the signal that it has to end.
 */
export async function withStack<T>(
  atUsualPorts: boolean,
  use: (stack: Stack, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const jdk = findJdk();
  const stopping = new AbortController();
  const stop = (name: string): void => {
    stopping.abort(new Error(`stopped by ${name}`));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const home = await temporaryFolder();
  const folderOf = (name: string): string => join(home.path, name);
  const servers = Object.entries<Server>(SERVERS);
  try {
    const starts = await Promise.allSettled(
      servers.map(async ([name, server]) => {
        const port = atUsualPorts ? await freePort(server.port) : await freePort();
        return startFirst(server, { jdk, folder: folderOf(name), port }, stopping.signal);
      }),
    );
    const addresses = starts.map((start) => {
      if (start.status === 'rejected') {
        throw start.reason;
      }
      return start.value;
    });
    const env = Object.fromEntries(
      servers.map(([, { variable }], index) => [variable, addresses[index]!]),
    );
    const logs = async (): Promise<string> =>
      (
        await Promise.all(
          servers.map(async ([name, server]) =>
            [`--- ${server.name}`, await endOfLog(folderOf(name))].join('\n'),
          ),
        )
      ).join('\n');
    return await use({ env: { ...env, STACK_HOME: home.path }, logs }, stopping.signal);
  } finally {
    await Promise.all(servers.map(([name, server]) => kill(server, folderOf(name))));
    await home.remove();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** A server that only its caller uses. */
export interface Alone {
  readonly address: string;
  /** Ends it at once, as a crash does, and waits until nothing answers. Its data stays. */
  kill(): Promise<void>;
  /** Starts it again, on its data and at its address, and waits until it answers. */
  start(): Promise<void>;
  /** Ends it, and removes its data. */
  stop(): Promise<void>;
}

/** Starts a server that only the caller uses, on a free port and in a temporary folder. */
export async function startAlone(server: Server): Promise<Alone> {
  const jdk = findJdk();
  const home = await temporaryFolder();
  const folder = join(home.path, 'server');
  const end = (): Promise<void> => kill(server, folder);
  const stop = async (): Promise<void> => {
    await end();
    await home.remove();
  };
  try {
    const place = { jdk, folder, port: await freePort() };
    const address = await startFirst(server, place, new AbortController().signal);
    const start = async (): Promise<void> => {
      await launch(server, folder);
    };
    return { address, kill: end, start, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startFirst(
  server: Server,
  { jdk, folder, port }: { jdk: Jdk; folder: string; port: number },
  signal: AbortSignal,
): Promise<string> {
  const began = Date.now();
  const progress = (what: string): void => {
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    process.stdout.write(`${seconds.padStart(6)} s  ${server.name} ${what}\n`);
  };
  progress('is fetched, unless it is in the cache');
  const installed = await server.install(signal);
  progress('is started');
  await mkdir(folder);
  const innerPort = await freePort();
  const { java } = jdk;
  const args = await server.configure({ java, installed, folder, port, innerPort });
  const how = { java, args, address: server.address(port) };
  const sharing = await sharedClasses(server, { jdk, installed, folder }, how, signal);
  await writeLaunch(folder, { ...how, args: [...sharing, ...args] });
  await launch(server, folder, signal);
  progress(`answers at ${how.address}`);
  return how.address;
}

export async function freePort(wanted?: number): Promise<number> {
  const port = wanted ?? PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
  const isFree = await new Promise<boolean>((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
  return isFree ? port : freePort();
}
