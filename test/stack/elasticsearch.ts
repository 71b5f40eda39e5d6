import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, fetchJars } from './jars.js';
import { asProperties, LOG_WARNINGS, type Server } from './server.js';

export const ELASTICSEARCH_VERSION = '9.5.3';

/** As source, from dist/test/stack, where this runs: Java compiles it at the start. */
const LAUNCHER = fileURLToPath(
  new URL('../../../test/stack/ElasticsearchNode.java', import.meta.url),
);
const NATIVE_ACCESS = 'ALL-UNNAMED,org.elasticsearch.nativeaccess,org.apache.lucene.core';

/**
 * The core of the server and its HTTP transport, which Maven Central has; the modules of the whole
 * distribution (data streams, index life cycles, reindex, scripts) it does not have.
 */
export const elasticsearch: Server = {
  name: 'Elasticsearch',
  port: 19_200,
  variable: 'ELASTICSEARCH_URL',
  install: (signal) =>
    cached(`elasticsearch-${ELASTICSEARCH_VERSION}`, (folder) => assemble(folder, signal)),
  configure: async ({ installed, folder, port, innerPort }) => {
    const config = join(folder, 'config');
    await mkdir(config);
    const settings = {
      'path.home': installed,
      'path.data': join(folder, 'data'),
      'path.logs': join(folder, 'logs'),
      'cluster.name': 'workspace-events-tests',
      'node.name': 'node-1',
      'discovery.type': 'single-node',
      'network.host': '127.0.0.1',
      'http.port': port,
      'transport.port': innerPort,
      // A developer's disk may well be fuller than a server's should be.
      'cluster.routing.allocation.disk.threshold_enabled': false,
    };
    return [
      '-Xmx1g',
      LOG_WARNINGS,
      `-Des.path.home=${installed}`,
      ...['--module-path', join(installed, 'lib'), '--add-modules', 'ALL-MODULE-PATH'],
      `--enable-native-access=${NATIVE_ACCESS}`,
      ...[LAUNCHER, config],
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ];
  },
  address: (port) => `http://127.0.0.1:${port}`,
  answers: async (address) => {
    try {
      const { ok } = await fetch(`${address}/_cluster/health?wait_for_status=yellow&timeout=1s`);
      return ok;
    } catch {
      return false;
    }
  },
};

/** Lays it out as the distribution is: the server in `lib`, its transport as a module. */
async function assemble(folder: string, signal: AbortSignal): Promise<void> {
  const lib = join(folder, 'lib');
  const netty = join(folder, 'modules', 'transport-netty4');
  await fetchJars(lib, [`org.elasticsearch:elasticsearch:${ELASTICSEARCH_VERSION}`], signal);
  await fetchJars(
    netty,
    [`org.elasticsearch.plugin:transport-netty4:${ELASTICSEARCH_VERSION}`],
    signal,
  );
  // A module with a jar that the server has as well is refused.
  const shared = new Set(await readdir(lib));
  const doubles = (await readdir(netty)).filter((jar) => shared.has(jar));
  await Promise.all(doubles.map((jar) => rm(join(netty, jar))));
  const descriptor = {
    description: 'HTTP and node transport',
    version: ELASTICSEARCH_VERSION,
    name: 'transport-netty4',
    classname: 'org.elasticsearch.transport.netty4.Netty4Plugin',
    'java.version': '21',
    'elasticsearch.version': ELASTICSEARCH_VERSION,
  };
  await writeFile(join(netty, 'plugin-descriptor.properties'), asProperties(descriptor));
}
