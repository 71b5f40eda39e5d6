import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Jdk } from './java.js';
import { launch, writeLaunch, type Launch, type Server } from './server.js';

/**
 * The arguments with which Java takes the classes of a server as it once has loaded and verified
 * them (class data sharing, JEP 350): Elasticsearch answers after 3 s then, not after 6. Where they
 * have not been kept yet, it is started and ended in order, which is when Java keeps them.
 *
 * @param installed The folder in the cache, where they are kept, by the build of Java.
 * @param folder The server’s own, where it leaves its data.
 */
export async function sharedClasses(
  server: Server,
  { jdk, installed, folder }: { jdk: Jdk; installed: string; folder: string },
  how: Launch,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const kept = join(installed, `classes-${jdk.build}.jsa`);
  if (!existsSync(kept)) {
    // Several may do this at once, and one may be ended meanwhile.
    const making = `${kept}.${randomUUID()}`;
    const args = [`-XX:ArchiveClassesAtExit=${making}`, ...how.args];
    try {
      await writeLaunch(folder, { ...how, args });
      const child = await launch(server, folder, signal);
      child.ref();
      child.kill('SIGTERM');
      await once(child, 'exit');
      await rename(making, kept);
    } finally {
      await rm(making, { force: true });
    }
  }
  return [`-XX:SharedArchiveFile=${kept}`, '-Xlog:cds*=off'];
}
