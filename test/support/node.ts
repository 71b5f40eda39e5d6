import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig, type Config } from '../../src/config.js';
import { setLevel } from '../../src/logger.js';
import { openService, type Service } from '../../src/service.js';
import { listen } from '../../src/transport/server.js';

/** A folder of its own under the system’s temporary one. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'workspace-events-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Tests ask more in a second than clients do; those of the quotas set their own. */
export const UNBOUND = {
  QUOTA_EVENTS_PER_SECOND: '0',
  QUOTA_BYTES_PER_SECOND: '0',
  QUOTA_SEARCHES_PER_SECOND: '0',
  QUOTA_CALLER_EVENTS_PER_SECOND: '0',
  QUOTA_CALLER_BYTES_PER_SECOND: '0',
  QUOTA_CALLER_SEARCHES_PER_SECOND: '0',
} as const;

/** A node in this process, on a free port, with data of its own. */
export interface TestNode {
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly service: Service;
  /** Stops it; the data goes too, unless the caller gave the folder. */
  stop(): Promise<void>;
}

export async function startNode(settings: Partial<Config> = {}): Promise<TestNode> {
  setLevel('silent');
  const folder = settings.dataDir === undefined ? await temporaryFolder() : undefined;
  const dataDir = settings.dataDir ?? folder?.path ?? '';
  const config = {
    ...readConfig({ PORT: '0', ...UNBOUND }),
    drainSeconds: 1,
    ...settings,
    dataDir,
  };
  const service = await openService(config, (error) => {
    throw error;
  });
  const listening = await listen(service).catch(async (error: unknown) => {
    await service.close();
    await folder?.remove();
    throw error;
  });
  return {
    url: listening.url,
    adminUrl: listening.adminUrl,
    service,
    stop: async () => {
      await listening.close();
      await service.close();
      await folder?.remove();
    },
  };
}

/** A node in a process of its own, as users run it. */
export interface NodeProcess {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  /** Sends a signal and waits until the process has gone; gives its exit code. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

export const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** What `npm start` gives to Node before the script. */
const { scripts } = createRequire(import.meta.url)('../../../package.json') as {
  scripts: { start: string };
};
export const START_FLAGS = scripts.start.split(' ').filter((word) => word.startsWith('--'));

/** Also beside others, and where it has to wait for servers that are only being started. */
const START_MS_MAX = 45_000;

/**
 * @param args What Node runs, where it is not the service as it is.
 * @throws Error with what the process printed, when it ends before it listens.
 */
export async function spawnNode(
  env: Record<string, string>,
  args: readonly string[] = [...START_FLAGS, MAIN],
): Promise<NodeProcess> {
  const child = spawn(process.execPath, args, {
    env: {
      ...process.env,
      PORT: '0',
      LOG_LEVEL: 'warn',
      DRAIN_SECONDS: '1',
      ...UNBOUND,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  // One that never listens would keep the tests from ending.
  const late = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /listens on (\S+),/.exec(output)?.[1];
      if (found !== undefined) {
        clearTimeout(late);
        resolve(found);
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => {
      clearTimeout(late);
      reject(new Error(`the node ended before it listened: ${output}`));
    });
  });
  return {
    url,
    process: child,
    output: () => output,
    end: async (signal = 'SIGTERM') => {
      child.kill(signal);
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}
