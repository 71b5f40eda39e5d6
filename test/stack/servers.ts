import { join } from 'node:path';
import { elasticsearch } from './elasticsearch.js';
import { kafka } from './kafka.js';
import { registry } from './registry.js';
import { kill as killIn, launch, type Server } from './server.js';

/**
 * Where the real servers are: `npm run test:stack` starts them and sets the variables. The defaults
 * are the addresses of `npm run stack`, which a developer keeps running.
 */
export const KAFKA_BROKERS = process.env.KAFKA_BROKERS ?? kafka.address(kafka.port);
export const ELASTICSEARCH_URL =
  process.env.ELASTICSEARCH_URL ?? elasticsearch.address(elasticsearch.port);
export const SCHEMA_REGISTRY_URL =
  process.env.SCHEMA_REGISTRY_URL ?? registry.address(registry.port);

/** In the order in which they depend on each other. */
export const SERVERS = { kafka, elasticsearch, registry } satisfies Record<string, Server>;
export type Name = keyof typeof SERVERS;

/** Ends a server at once, as a crash does, and waits until nothing answers. Its data stays. */
export async function kill(name: Name): Promise<void> {
  await killIn(SERVERS[name], folderOf(name));
}

/**
 * Starts a server again after {@link kill}, on its data and at its address, and waits until it
 * answers.
 */
export async function start(name: Name): Promise<void> {
  await launch(SERVERS[name], folderOf(name));
}

export function folderOf(name: Name): string {
  const home = process.env.STACK_HOME;
  if (home === undefined) {
    throw new Error('STACK_HOME is not set: run it by npm run test:stack, or say which stack');
  }
  return join(home, name);
}
