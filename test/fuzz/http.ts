import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const REQUIREMENTS = 'test/fuzz/requirements.txt';
const DESCRIPTION = resolve('schemas/openapi.yaml');
const CACHE = process.env.FUZZ_CACHE ?? join(homedir(), '.cache', 'workspace-events-fuzz');

/**
 * What an answer must keep, whatever was asked. Not that what is valid by its schema is accepted:
 * no schema tells that a cursor is of another workspace, say.
 */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'unsupported_method',
  'allow_header_conformance',
];

/** Its answer is a heap of some hundred megabytes, for which the process stands still. */
const LEFT_OUT = ['/sys/heapdump'];

interface Fuzzed {
  readonly workspace: string;
  readonly leftOut: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Sends requests made of the description of the API, valid ones and invalid ones, to a node.
 *
 * @param examples Of each operation and phase.
 * @param of A workspace that exists, as of names made up none would be found, the operation that
 *   is left out, and the headers of who asks.
 * @returns How many requests were sent.
 * @throws Error where one was answered with a status of 500 or more, or as the description does not
 *   say.
 */
export async function fuzzHttp(
  url: string,
  examples: number,
  { workspace, leftOut, headers }: Fuzzed,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'workspace-events-fuzz-'));
  try {
    const settings = join(folder, 'schemathesis.toml');
    await writeFile(settings, `[parameters]\n"path.workspace" = ${JSON.stringify(workspace)}\n`);
    const args = [
      ...['--config-file', settings, 'run', DESCRIPTION, '--url', url],
      ...['--checks', CHECKS.join(','), '--continue-on-failure', '--warnings', 'off'],
      ...['--phases', 'examples,coverage,fuzzing', '--max-examples', String(examples)],
      ...LEFT_OUT.flatMap((path) => ['--exclude-path', path]),
      ...['--exclude-operation-id', leftOut],
      ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ];
    const python = join(await installed(), 'bin', 'python3');
    const child = spawn(python, ['-m', 'schemathesis.cli', ...args], {
      // It leaves behind what it remembers for its next run.
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => {
      output += part.toString();
      process.stdout.write(part);
    });
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) {
      throw new Error(`schemathesis has found faults, see above, or ended with ${String(code)}`);
    }
    return Number(/\b(\d{1,9}) generated/.exec(output)?.[1] ?? 0);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The folder of the fuzzer: installed once, from the Python Package Index. */
async function installed(): Promise<string> {
  const folder = join(CACHE, 'schemathesis');
  if (!existsSync(folder)) {
    process.stdout.write(`Installing ${REQUIREMENTS} into ${folder}\n`);
    await mkdir(CACHE, { recursive: true });
    const making = join(CACHE, `making-${String(process.pid)}`);
    await run('python3', ['-m', 'venv', '--copies', making]).catch((cause: unknown) => {
      throw new Error('needs python3 (3.10 or newer) with its venv module', { cause });
    });
    // Never by the scripts: they name the folder in which they were installed.
    await run(join(making, 'bin', 'python3'), ['-m', 'pip', 'install', '-q', '-r', REQUIREMENTS]);
    await rename(making, folder);
  }
  return folder;
}
