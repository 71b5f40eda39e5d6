import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const CACHE = process.env.STACK_CACHE ?? join(homedir(), '.cache', 'workspace-events-stack');
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
/** Maven names every failed artifact, and what it tried. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/**
 * A folder of the cache, made by the first who wants it. It gets its name when it is complete: what
 * was interrupted is never taken for it, and of two who make it at once, the second finds it made.
 *
 * @param make Fills the folder that it is given.
 */
export async function cached(
  name: string,
  make: (folder: string) => Promise<void>,
  cache = CACHE,
): Promise<string> {
  const folder = join(cache, name);
  if (existsSync(folder)) {
    return folder;
  }
  await mkdir(cache, { recursive: true });
  const making = await mkdtemp(join(cache, `.${name}-`));
  try {
    await make(making);
    await rename(making, folder).catch((error: unknown) => {
      if (!existsSync(folder)) {
        throw error;
      }
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return folder;
}

/** Fetches artifacts, as `group:artifact:version`, and all that they depend on, into a folder. */
export async function fetchJars(
  folder: string,
  artifacts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const pom = join(folder, 'pom.xml');
  await writeFile(pom, projectThatNeeds(artifacts));
  await maven(
    folder,
    [`${PLUGIN}:copy-dependencies`, '--file', pom, `-DoutputDirectory=${folder}`],
    signal,
  );
  await rm(pom);
}

/** Fetches an archive, as `group:artifact:version:type:classifier`, and unpacks it. */
export async function fetchArchive(
  folder: string,
  artifact: string,
  signal: AbortSignal,
): Promise<void> {
  await maven(
    folder,
    [`${PLUGIN}:unpack`, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`],
    signal,
  );
}

/** With a repository of its own: two Mavens at once can spoil the one that they share. */
async function maven(folder: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const repository = join(folder, '.repository');
  const all = ['--quiet', '--batch-mode', `-Dmaven.repo.local=${repository}`, ...args];
  // In there as well it leaves the marks of what it has unpacked, where there is no project.
  await mkdir(repository);
  const options = { cwd: repository, signal, maxBuffer: OUTPUT_BYTES_MAX };
  await promisify(execFile)('mvn', all, options).catch((error: unknown) => {
    signal.throwIfAborted();
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`Maven could not fetch ${folder}:\n${stdout ?? ''}${stderr ?? ''}`, {
      cause: error,
    });
  });
  await rm(repository, { recursive: true });
}

function projectThatNeeds(artifacts: readonly string[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':');
    return `<dependency>
      <groupId>${group!}</groupId><artifactId>${name!}</artifactId><version>${version!}</version>
    </dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
    <modelVersion>4.0.0</modelVersion>
    <groupId>stack</groupId><artifactId>stack</artifactId><version>1</version>
    <packaging>pom</packaging>
    <dependencies>${dependencies.join('')}</dependencies>
  </project>`;
}
