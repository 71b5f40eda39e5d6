import { join } from 'node:path';
import { cached, fetchArchive } from './jars.js';
import type { Server } from './server.js';

export const REGISTRY_VERSION = '3.3.3';

/** Apicurio, which speaks the API of the Confluent schema registry as well. */
export const registry: Server = {
  name: 'Schema registry',
  port: 18_081,
  variable: 'SCHEMA_REGISTRY_URL',
  install: (signal) =>
    cached(`registry-${REGISTRY_VERSION}`, (folder) =>
      fetchArchive(
        folder,
        `io.apicurio:apicurio-registry-app:${REGISTRY_VERSION}:tar.gz:all`,
        signal,
      ),
    ),
  configure: async ({ installed, folder, port, innerPort }) => [
    '-Xmx512m',
    '-Dquarkus.http.host=127.0.0.1',
    `-Dquarkus.http.port=${port}`,
    // By itself it takes port 9000 on all addresses, and the second registry does not start.
    '-Dquarkus.management.host=127.0.0.1',
    `-Dquarkus.management.port=${innerPort}`,
    // On disk, at once: a schema that was registered has to survive a kill. Kept in Kafka, as
    // docker-compose.yml has it, it takes 15 s to start instead of 4.
    `-Dapicurio.datasource.url=jdbc:h2:file:${join(folder, 'data')};WRITE_DELAY=0`,
    ...['-jar', join(installed, 'quarkus-run.jar')],
  ],
  address: (port) => `http://127.0.0.1:${port}/apis/ccompat/v7`,
  answers: async (address) => {
    try {
      const { ok } = await fetch(`${address}/subjects`);
      return ok;
    } catch {
      return false;
    }
  },
};
