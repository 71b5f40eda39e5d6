import { request } from '../support/client.js';
import { bearer, IDENTITY, superadmin, token } from '../support/identity.js';
import { seed, random } from '../support/random.js';
import {
  MAIN,
  spawnNode,
  START_FLAGS,
  temporaryFolder,
  type NodeProcess,
} from '../support/node.js';
import { until } from '../until.js';
import { fuzzFrames } from './frames.js';
import { fuzzHttp } from './http.js';

/**
 * Sends what no client should to a node in a process of its own, and fails where the node answers
 * with an unexpected error, grows or dies.
 *
 * `npm run fuzz` runs all of it, in some five minutes; `npm run fuzz -- http` one part (http,
 * frames). `SEED` repeats the frames of another run. The part http needs Python 3.
 */
const HTTP_REQUESTS_MIN = 5_000;
/** Of each operation and phase, for each caller: so many make more requests than that. */
const HTTP_EXAMPLES = 250;

const FRAMES = 240_000;
/** In the first two code is compiled, and the caches and rings that have bounds fill up. */
const PARTS = 6;
const GROWTH_BYTES_MAX = 2 * 1024 * 1024;
const COLLECT = [
  '--expose-gc',
  `--import=${new URL('./collect.js', import.meta.url).href}`,
] as const;

/** What grows with what is emitted has small bounds, so that what grows without shows. */
const SMALL = { IDEMPOTENCY_WINDOW: '1000', RING_BYTES_MAX: '1048576' };

const WORKSPACE = 'fuzz';

interface Identified {
  readonly env: Readonly<Record<string, string>>;
  /** Of a superadmin. */
  readonly headers: Record<string, string>;
}
const OPEN: Identified = { env: {}, headers: {} };

async function withNode(
  { env, headers }: Identified,
  use: (node: NodeProcess) => Promise<void>,
): Promise<void> {
  const folder = await temporaryFolder();
  const args = [...START_FLAGS, ...COLLECT, MAIN];
  const node = await spawnNode({ DATA_DIR: folder.path, ...SMALL, ...env }, args);
  try {
    const workspace = `${node.url}/v2/workspaces/${WORKSPACE}`;
    await request(workspace, { method: 'PUT', json: {}, headers });
    await use(node);
    if ((await metric(node, 'errors_total', headers)) > 0) {
      throw new Error(`the node has met unexpected errors:\n${node.output()}`);
    }
  } finally {
    await node.end();
    await folder.remove();
  }
}

/**
 * By a superadmin, but for the configuration of the workspace, whose quotas would be made up; and
 * by its owner, but for its deletion, which would leave nothing to be asked of.
 */
async function http(): Promise<void> {
  let requests = 0;
  const fuzz = (leftOut: string, headers = {}) => {
    return async ({ url }: NodeProcess): Promise<void> => {
      const of = { workspace: WORKSPACE, leftOut, headers };
      requests += await fuzzHttp(url, HTTP_EXAMPLES, of);
    };
  };
  await withNode(OPEN, fuzz('putWorkspace'));
  const owner = await token({ claims: { sub: 'u1', workspaces: { [WORKSPACE]: 'owner' } } });
  const known = { env: IDENTITY, headers: bearer(await superadmin()) };
  await withNode(known, fuzz('deleteWorkspace', bearer(owner)));
  if (requests < HTTP_REQUESTS_MIN) {
    throw new Error(`${String(requests)} requests are too few to tell`);
  }
  process.stdout.write(`${String(requests)} requests, all answered as described\n`);
}

async function frames(): Promise<void> {
  await withNode(OPEN, framesTo);
}

async function framesTo(node: NodeProcess): Promise<void> {
  const from = seed();
  process.stdout.write(`frames of SEED=${String(from)}\n`);
  const used: number[] = [];
  const { frames: sent, connections } = await fuzzFrames(
    node.url,
    FRAMES,
    random(from),
    async (done) => {
      if (done >= ((used.length + 1) * FRAMES) / PARTS) {
        used.push(await bytesInUse(node));
      }
    },
  );
  const mebibytes = used.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(', ');
  process.stdout.write(`in use by the node, in the course of it, in MiB: ${mebibytes}
`);
  if (used.length < PARTS || used.at(-1)! - used[2]! > GROWTH_BYTES_MAX) {
    throw new Error('the node has grown');
  }
  process.stdout.write(
    `${String(sent)} frames on ${String(connections)} connections, all met as they should be\n`,
  );
}

/** Of its heap and outside of it, without garbage. */
async function bytesInUse(node: NodeProcess): Promise<number> {
  const before = node.output().length;
  const told = (): string | undefined => /in use: (\d+)/.exec(node.output().slice(before))?.[1];
  node.process.kill('SIGUSR2');
  await until('it has told', () => told() !== undefined);
  return Number(told());
}

async function metric({ url }: NodeProcess, name: string, headers = {}): Promise<number> {
  const { body } = await request(`${url}/metrics`, { headers });
  return Number(new RegExp(String.raw`^${name} (\S+)$`, 'm').exec(body as string)?.[1]);
}

const parts = { http, frames };
const wanted = process.argv[2];
for (const [name, part] of Object.entries(parts)) {
  if (wanted === undefined || wanted === name) {
    await part();
  }
}
