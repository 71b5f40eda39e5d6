import { readFile } from 'node:fs/promises';
import { pause } from './pause.js';
import { Away, Client, type Progress, type State } from './rebuild.client.js';
import { optionsOf, USAGE, UsageError, type Options } from './rebuild.options.js';
import { counted, Display, lasting } from './rebuild.progress.js';

/** `npm run rebuild`: asks a running service to rebuild histories, and shows how far that is. */

const POLL_MS = 250;

/** Between two tries of a service that does not answer; a node that was killed comes back. */
const AWAY_MS = 1_000;
const AWAY_MS_MAX = 300_000;

const MS_PER_SECOND = 1_000;

const DONE = 0;
const FAILED = 1;
const WRONG_USAGE = 2;
/** As shells have it for what SIGINT ended. */
const LEFT = 130;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`rebuild: ${text}\n`);
}

/** What was asked for, for one workspace after the other. Gives the exit status. */
async function run(options: Options, left: AbortSignal): Promise<number> {
  const client = new Client(options.url, await tokenOf(options));
  const names = options.workspaces.length > 0 ? options.workspaces : await client.workspaces();
  // What cannot be is told before anything is begun.
  for (const name of names) {
    await client.state(name);
  }
  let status = DONE;
  for (const name of names) {
    try {
      await (options.cancel ? cancel(name, client) : rebuild(name, client, left));
    } catch (error) {
      if (!left.aborted) {
        complain(`${name}: ${(error as Error).message}`);
        status = FAILED;
      }
    }
    if (left.aborted) {
      const { url, tokenFile } = options;
      const token = tokenFile === undefined ? '' : ` --token-file ${tokenFile}`;
      const command = `npm run rebuild -- --workspace ${name} --url ${url}${token}`;
      say(`\nThe rebuild of ${name} goes on without you. Come back to it: ${command}`);
      say(`Give it up: ${command} --cancel`);
      return LEFT;
    }
  }
  return status;
}

async function tokenOf({ tokenFile }: Options): Promise<string | undefined> {
  if (tokenFile === undefined) {
    return undefined;
  }
  const text = await readFile(tokenFile, 'utf8').catch((error: unknown) => {
    throw new UsageError(`--token-file cannot be read: ${(error as Error).message}.`);
  });
  const token = text.trim();
  // What a header cannot hold would be told as a service that does not answer.
  if (!/^[!-~]+$/.test(token)) {
    throw new UsageError(`--token-file is ${tokenFile}, which holds no token or API key alone.`);
  }
  return token;
}

async function cancel(name: string, client: Client): Promise<void> {
  const before = await client.state(name);
  const { generation } = await client.cancel(name);
  if (!before.rebuilding) {
    say(`${name}: nothing was being rebuilt; generation ${generation} is searched`);
  } else if (generation === before.rebuilding.generation) {
    say(`${name}: too late, it is rebuilt: generation ${generation} is searched`);
  } else {
    say(`${name}: given up; generation ${generation} is searched as before`);
  }
}

/** Has a history rebuilt, and resolves when it is, or when whoever asked has left. */
async function rebuild(name: string, client: Client, left: AbortSignal): Promise<void> {
  const began = performance.now();
  const display = new Display(name, process.stdout);
  let last: Progress | undefined;
  let end: State | undefined;
  try {
    const { generation: before } = await patiently(() => client.state(name), display, left);
    let state = await patiently(() => client.start(name), display, left);
    while (state.rebuilding && !left.aborted) {
      last = state.rebuilding;
      display.show(last);
      await pause(POLL_MS, left);
      state = await patiently(() => client.state(name), display, left);
    }
    if (!state.rebuilding && state.generation === before) {
      throw new Error('somebody has given the rebuild up');
    }
    end = state;
  } finally {
    display.end();
  }
  if (!left.aborted) {
    const took = lasting((performance.now() - began) / MS_PER_SECOND);
    const events = last ? `${counted(last.total)} positions` : 'all';
    say(`${name}: rebuilt, ${events} in ${took}; generation ${end.generation} is searched`);
  }
}

/** Tries again while the service is away: what it has begun goes on when it is back. */
async function patiently(
  ask: () => Promise<State>,
  display: Display,
  left: AbortSignal,
): Promise<State> {
  for (let awayMs = 0; ;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Away) || awayMs >= AWAY_MS_MAX || left.aborted) {
        throw error;
      }
      display.tell(`waiting: ${error.message}`);
      const { retryAfterSeconds } = error;
      const ms = retryAfterSeconds === undefined ? AWAY_MS : retryAfterSeconds * MS_PER_SECOND;
      await pause(ms, left);
      awayMs += error.isFull ? 0 : ms;
    }
  }
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return DONE;
  }
  const leaving = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      leaving.abort();
    });
  }
  return run(options, leaving.signal);
}

process.exitCode = await main().catch((error: unknown) => {
  complain((error as Error).message);
  if (error instanceof UsageError) {
    complain('npm run rebuild -- --help tells how it is used');
    return WRONG_USAGE;
  }
  return FAILED;
});
