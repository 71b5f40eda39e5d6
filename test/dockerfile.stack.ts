import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spawnNode, temporaryFolder, type NodeProcess } from './support/node.js';
import { copied, execForm, ROOT, stages, textOf, type Stage } from './dockerfile.js';

const WORKDIR = '/app/';
const IMAGE = /^node:20-/;

/**
 * What npm made of better-sqlite3 here, as an archive that its install script takes in place of a
 * download: where there is none to be had, it would compile for two minutes what has been compiled.
 *
 * @returns The setting of prebuild-install that tells where it is.
 */
async function prebuilt(folder: string): Promise<Record<string, string>> {
  const sqlite = new URL('node_modules/better-sqlite3/', ROOT);
  const { version } = JSON.parse(await readFile(new URL('package.json', sqlite), 'utf8')) as {
    version: string;
  };
  const { platform, arch, versions } = process;
  const name = `better-sqlite3-v${version}-node-v${versions.modules}-${platform}-${arch}.tar.gz`;
  const addon = 'build/Release/better_sqlite3.node';
  await promisify(execFile)('tar', ['-czf', join(folder, name), addon], {
    cwd: fileURLToPath(sqlite),
  });
  return { npm_config_better_sqlite3_local_prebuilds: folder };
}

/**
 * Builds a stage in a folder, by the instructions of the file and with the Node of this machine in
 * the place of the image’s: not every machine that tests has a Docker.
 */
async function build(
  stage: Stage,
  folder: string,
  built: Map<string, string>,
  settings: Record<string, string>,
): Promise<void> {
  const base = built.get(stage.base);
  if (base === undefined) {
    assert.match(stage.base, IMAGE);
    await mkdir(folder);
  } else {
    await cp(base, folder, { recursive: true });
  }
  for (const { name, text } of stage.instructions) {
    if (name === 'COPY') {
      await copy(text, folder, built);
    } else if (name === 'RUN') {
      // Whoever tests stands in for the user of the image.
      const script = text.replaceAll('chown node', `chown ${userInfo().username}`);
      const env = { ...process.env, ...settings };
      await promisify(execFile)('sh', ['-c', script], { cwd: folder, env });
    }
  }
}

async function copy(text: string, folder: string, built: Map<string, string>): Promise<void> {
  const { from, sources, to } = copied(text);
  for (const source of sources) {
    const path =
      from === undefined
        ? fileURLToPath(new URL(source, ROOT))
        : join(built.get(from)!, source.replace(WORKDIR, ''));
    await cp(path, to.endsWith('/') ? join(folder, to, source) : join(folder, to), {
      recursive: true,
    });
  }
}

describe('The image', function () {
  // With all that npm fetches.
  this.timeout(600_000);

  const all = stages();
  const last = all.at(-1)!;
  const [node, ...args] = execForm(textOf(last, 'CMD'));
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let image: string;
  let service: NodeProcess | undefined;

  before(async () => {
    folder = await temporaryFolder();
    const settings = await prebuilt(folder.path);
    const built = new Map<string, string>();
    for (const [index, stage] of all.entries()) {
      image = join(folder.path, String(index));
      await build(stage, image, built, settings);
      built.set(stage.name ?? 'image', image);
    }
  });

  after(async () => {
    await service?.end();
    await folder.remove();
  });

  it('has nothing that only building and testing need', async () => {
    const lock = JSON.parse(await readFile(new URL('package-lock.json', ROOT), 'utf8')) as {
      packages: Record<string, { dev?: boolean }>;
    };
    const needless = Object.keys(lock.packages).filter((path) => lock.packages[path]!.dev);
    assert.ok(needless.includes('node_modules/typescript'));
    assert.deepEqual(
      needless.filter((path) => existsSync(join(image, path))),
      [],
    );
  });

  it('runs, and its health check tells whether it does', async () => {
    assert.equal(node, 'node');
    const script = join(image, args.at(-1)!);
    const embedded = { KAFKA_BROKERS: '', ELASTICSEARCH_URL: '', SCHEMA_REGISTRY_URL: '' };
    const env = { ...embedded, DATA_DIR: join(image, 'data'), NODE_ENV: 'production' };
    service = await spawnNode(env, [...args.slice(0, -1), script]);

    const [checker, ...check] = execForm(textOf(last, 'HEALTHCHECK'));
    assert.equal(checker, 'node');
    const isHealthy = async (port: string): Promise<boolean> => {
      const checking = promisify(execFile)(process.execPath, check, {
        env: { ...process.env, PORT: port },
      });
      return checking.then(
        () => true,
        () => false,
      );
    };
    const { port } = new URL(service.url);
    assert.equal(await isHealthy(port), true);
    await service.end();
    assert.equal(await isHealthy(port), false);
  });
});
