import { isAuthenticated } from './config.auth.js';
import { readConfig, type Config } from './config.js';
import { logger, setLevel } from './logger.js';
import { openService } from './service.js';
import { listen, type Listening } from './transport/server.js';

/** Runs one node until it is told to stop. */
async function main(): Promise<void> {
  const config = readConfig(process.env);
  setLevel(config.logLevel);
  const service = await openService(config, (error) => {
    logger.fatal({ err: error }, 'the node cannot go on');
    process.exit(1);
  });
  const listening = await listen(service).catch(async (error: unknown) => {
    await service.close();
    throw error;
  });
  if (!isAuthenticated(config)) {
    logger.warn('no authentication is configured: every caller may do everything');
  }
  process.stdout.write(greeting(listening, config));

  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) {
      // A second signal means now; nothing acknowledged is lost by that.
      process.exit(1);
    }
    stopping = true;
    logger.info({ signal }, 'stopping');
    listening
      .close()
      .then(() => service.close())
      .then(
        () => {
          logger.info('stopped');
        },
        (error: unknown) => {
          logger.fatal({ err: error }, 'could not stop cleanly');
          process.exitCode = 1;
        },
      )
      // A client of Kafka that met its restart may have left a connection open.
      .finally(() => process.exit());
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

const OPEN = `NO AUTHENTICATION is configured: only this machine is served, and every caller may do
everything. Set AUTH_JWT_SECRET, AUTH_JWKS_URL or AUTH_TRUSTED_PROXIES to know who calls.`;
const KNOWN = 'Callers have to say who they are: docs/access.md.';

function greeting({ url, adminUrl }: Listening, config: Config): string {
  const log = config.kafkaBrokers.length > 0 ? 'on Kafka' : `in ${config.dataDir}`;
  const store = config.elasticsearchUrl.length > 0 ? 'in Elasticsearch' : `in ${config.dataDir}`;
  const operators = adminUrl === undefined ? '' : `\nOperators are served on ${adminUrl}.`;
  const events = `${url}/v2/workspaces/demo/events`;
  return `
workspace-events listens on ${url}, its log is ${log}, its history ${store}
${isAuthenticated(config) ? KNOWN : OPEN}${operators}

Tail a workspace:
  curl -N -H 'Accept: text/event-stream' '${events}?from=start'
Emit an event into it:
  curl ${events} --json '{"type":"order.paid","payload":{"total":12}}'
Search it:
  curl '${events}?type=order.*&payload.total.gte=10'

`;
}

main().catch((error: unknown) => {
  process.stderr.write(`workspace-events: ${(error as Error).message}\n`);
  logger.debug({ err: error }, 'could not start');
  // What was opened by then would keep the process alive.
  process.exit(1);
});
