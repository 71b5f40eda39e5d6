import { once } from 'node:events';
import { withStack } from './stack.js';

const HOUR_MS = 3_600_000;

/** Keeps the real servers running for a developer, until Ctrl-C. */
withStack(true, async ({ env }, signal) => {
  const { STACK_HOME, ...addresses } = env;
  const settings = Object.entries(addresses).map(([name, value]) => `${name}=${value}`);
  process.stdout.write(`
Run a node on them:
  ${settings.join(' ')} \\
  KAFKA_REPLICATION_FACTOR=1 KAFKA_MIN_INSYNC_REPLICAS=1 ELASTICSEARCH_REPLICAS=0 npm start

Run one of the tests that need them:
  ${settings.join(' ')} \\
  STACK_HOME=${STACK_HOME!} npx mocha dist/test/stack/servers.stack.js

Ctrl-C stops them and deletes their data.
`);
  // Neither the servers nor a signal that may come keep a process from ending.
  const waiting = setInterval(() => undefined, HOUR_MS);
  await once(signal, 'abort');
  clearInterval(waiting);
}).catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
});
