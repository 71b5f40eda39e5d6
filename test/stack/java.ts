import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Elasticsearch and the registry are compiled for it. */
const JAVA_MIN = 21;
const JVM_FOLDER = '/usr/lib/jvm';

export interface Jdk {
  /** The program. */
  readonly java: string;
  readonly version: number;
  /** Which one of that version: what Java keeps of classes, another build does not take. */
  readonly build: string;
}

/**
 * Finds what the servers need that npm does not bring.
 *
 * @returns The JDK: that of JAVA_HOME if it will do, else the newest there is.
 * @throws Error saying all that is missing and how to get it.
 */
export function findJdk(): Jdk {
  const named = process.env.JAVA_HOME ? jdkAt(join(process.env.JAVA_HOME, 'bin')) : undefined;
  const installed = existsSync(JVM_FOLDER) ? readdirSync(JVM_FOLDER) : [];
  const others = [...installed.map((name) => jdkAt(join(JVM_FOLDER, name, 'bin'))), jdkAt('')];
  const found = [named, ...others.toSorted((a, b) => (b?.version ?? 0) - (a?.version ?? 0))];
  const jdk = found.find((candidate) => candidate && candidate.version >= JAVA_MIN);
  const missing = [
    ...(jdk
      ? []
      : [
          `- a JDK of version ${JAVA_MIN} or newer, from your system’s packages (openjdk-21-jdk, ` +
            'say) or from https://adoptium.net, with JAVA_HOME set to its folder',
        ]),
    ...(spawnSync('mvn', ['--version']).status === 0
      ? []
      : [
          '- Maven, as `mvn` on the PATH, from your system’s packages (maven) or from ' +
            'https://maven.apache.org',
        ]),
  ];
  if (!jdk || missing.length > 0) {
    throw new Error(`The real servers need what is missing here:\n${missing.join('\n')}`);
  }
  return jdk;
}

/** @param folder That of the program; empty for the one on the PATH. */
function jdkAt(folder: string): Jdk | undefined {
  const { error, stderr } = spawnSync(
    join(folder, 'java'),
    ['-XshowSettings:properties', '-version'],
    { encoding: 'utf8' },
  );
  if (error) {
    return undefined;
  }
  const [home, version, build] = ['home', 'specification\\.version', 'vm\\.version'].map(
    (name) => new RegExp(`^ +java\\.${name} = (.*)$`, 'm').exec(stderr)?.[1],
  );
  // A runtime alone, without the compiler, cannot start Elasticsearch from its source.
  return home !== undefined && build !== undefined && existsSync(join(home, 'bin', 'javac'))
    ? { java: join(home, 'bin', 'java'), version: Number(version), build }
    : undefined;
}
