import { parseArgs } from 'node:util';

/** What `npm run rebuild` was asked for. */
export interface Options {
  /** Where the service is, without a slash at the end. */
  readonly url: string;
  /** In the order in which they were named; none where all of them are meant. */
  readonly workspaces: readonly string[];
  /** A file with the credential of the caller; absent where the service asks for none. */
  readonly tokenFile?: string;
  readonly cancel: boolean;
  readonly help: boolean;
}

const DEFAULT_URL = 'http://127.0.0.1:3000';

export const USAGE = `Builds the history of workspaces anew from the log, beside the one that is
searched, and has it take that one’s place. The service does the work, and goes on with all else.

  npm run rebuild -- --workspace <name> [--workspace <name> …] [--url <address>]
  npm run rebuild -- --all [--url <address>]

  --workspace <name>   whose history; may be repeated: one after the other
  --all                those of all workspaces that you manage, and of what the service itself
                       does (_system) if you may
  --url <address>      where the service runs; ${DEFAULT_URL} if not said
  --token-file <file>  has a token or an API key, where the service asks who you are
  --cancel             give the rebuild up, and what it has built
  --help               this

Ctrl-C leaves a rebuild running; the same command comes back to it. The exit status is 0
when all is done, 1 when something could not be, 2 when the command is wrong, and 130 after
Ctrl-C.
`;

/** The command is wrong; the message says in what. */
export class UsageError extends Error {}

/** @throws UsageError */
export function optionsOf(args: readonly string[]): Options {
  const { workspace = [], all = false, url = DEFAULT_URL, ...rest } = parsed(args);
  const { cancel = false, help = false, 'token-file': tokenFile } = rest;
  if (!help && workspace.length === 0 && !all) {
    throw new UsageError('Say which: --workspace <name>, or --all.');
  }
  if (workspace.length > 0 && all) {
    throw new UsageError('--all has every workspace in it: leave --workspace out, or --all.');
  }
  const empty = workspace.find((name) => name.trim() === '');
  if (empty !== undefined) {
    throw new UsageError('--workspace has an empty name.');
  }
  return {
    url: addressOf(url),
    workspaces: [...new Set(workspace)],
    ...(tokenFile !== undefined && { tokenFile }),
    cancel,
    help,
  };
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        workspace: { type: 'string', multiple: true },
        all: { type: 'boolean' },
        url: { type: 'string' },
        // In a file, since what stands in a command is told to everybody on the machine.
        'token-file': { type: 'string' },
        cancel: { type: 'boolean' },
        help: { type: 'boolean' },
      },
      strict: true,
      allowPositionals: false,
    });
    return values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`--url is ${text}, but must be an address such as ${DEFAULT_URL}.`);
  }
  return url.href.replace(/\/$/, '');
}
