import { hasOneStore, openLog, openShares, openStore, retentionOf } from './backends.js';
import { Emitter } from './commands/emit.js';
import type { EventLog } from './commands/log.js';
import { Rebuilds } from './commands/rebuild.js';
import { QuotaKeeper } from './commands/quotas.js';
import { Refusals } from './commands/refusals.js';
import { ErrorReporter } from './commands/report.js';
import { Keyring } from './commands/keyring.js';
import { Keys } from './commands/keys.js';
import { Workspaces } from './commands/workspaces.js';
import type { Config } from './config.js';
import { quotasOf } from './config.quota.js';
import { lagMeasuredBy } from './metrics.js';
import { DeadLetters } from './projections/deadletter.js';
import { Projector, REPLACED_MS } from './projections/project.js';
import { Retainer } from './projections/retainer.js';
import type { EventStore } from './projections/store.js';
import { HeavyQueries } from './queries/heavy.js';
import { RowWriter } from './queries/rows.js';
import { Subscriptions, type Readable } from './queries/subscribe.js';

/** The parts of a running node, put together. */
export interface Service {
  readonly config: Config;
  readonly log: EventLog;
  readonly store: EventStore;
  readonly workspaces: Workspaces;
  readonly keyring: Keyring;
  readonly keys: Keys;
  readonly emitter: Emitter;
  readonly quotas: QuotaKeeper;
  readonly refusals: Refusals;
  readonly subscriptions: Subscriptions;
  readonly heavyQueries: HeavyQueries;
  readonly rowWriter: RowWriter;
  readonly deadLetters: DeadLetters;
  readonly rebuilds: Rebuilds;
  readonly reporter: ErrorReporter;
  /** Lets what runs end, in the order in which the parts depend on each other. */
  close(): Promise<void>;
}

/**
 * Opens log and store, folds the system workspace and starts the projection.
 *
 * @param onFatal Told when the log or the store can never work again in this process.
 */
export async function openService(
  config: Config,
  onFatal: (error: Error) => void,
): Promise<Service> {
  const log = await openLog(config, onFatal);
  const store = await openStore(config, onFatal);
  const keyring = new Keyring();
  const workspaces = await Workspaces.open(log, {
    autoCreate: config.autoCreateWorkspaces,
    retention: retentionOf(config),
    fold: (event) => {
      keyring.fold(event);
    },
    onFatal,
  });
  const deadLetters = await DeadLetters.open(log, store, workspaces);
  const shares = await openShares(config);
  const ends = { log, store, deadLetters };
  // A search may count as well: two queries, of which each has its time.
  const replacedMs = REPLACED_MS + 2 * config.searchMsMax;
  const projector = new Projector(ends, workspaces, shares, replacedMs);
  const retainer = new Retainer(ends, workspaces, shares, config.retentionSeconds * 1000);
  const historyOf: Readable['historyOf'] = (id, epoch) => workspaces.historyOf(id, epoch);
  const quotas = new QuotaKeeper(workspaces, quotasOf(config));
  const readable = { workspaces, keyring, log, store, historyOf, quotas };
  const subscriptions = new Subscriptions(readable, config);
  const rowWriter = new RowWriter();
  projector.start();
  retainer.start();
  lagMeasuredBy(() => projector.lag());
  return {
    config,
    log,
    store,
    workspaces,
    keyring,
    keys: new Keys(keyring, workspaces),
    emitter: new Emitter(log, workspaces, config),
    quotas,
    refusals: new Refusals(),
    subscriptions,
    heavyQueries: new HeavyQueries(config.heavyQueriesMax),
    rowWriter,
    deadLetters,
    rebuilds: new Rebuilds(workspaces, store, hasOneStore(config)),
    reporter: new ErrorReporter(log, workspaces),
    close: async () => {
      subscriptions.close();
      await rowWriter.close();
      // First, so that the other nodes take over at once: they need not wait for what is under way.
      await shares.close();
      await Promise.all([projector.stop(), retainer.stop()]);
      await workspaces.close();
      await log.close();
      await store.close();
    },
  };
}
