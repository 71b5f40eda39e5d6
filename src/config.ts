import { AUTH, authFaults, isAuthenticated } from './config.auth.js';
import { BACK_ENDS, backEndFaults } from './config.backends.js';
import {
  flag,
  KIB,
  MIB,
  number,
  oneOf,
  origins,
  someOf,
  text,
  type Kind,
  type Setting,
} from './config.kinds.js';
import { QUOTAS } from './config.quota.js';

/**
 * Every setting, in one table: its environment variable, its default, what it may be and why it is
 * there. The README's table is held equal to this one by a test.
 */

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type Level = (typeof LEVELS)[number];

const ROLES = ['api', 'projector'] as const;
export type Role = (typeof ROLES)[number];

export const SETTINGS = {
  host: {
    env: 'HOST',
    default: '127.0.0.1',
    kind: text,
    allowed: 'an address of this machine',
    why: 'Where to listen. Without authentication only a loopback address is accepted.',
  } satisfies Setting<string>,
  port: number('PORT', 3000, 0, 65_535, 'Where to listen; 0 takes a free port.'),
  dataDir: {
    env: 'DATA_DIR',
    default: './data',
    kind: text,
    allowed: 'a folder',
    why: 'Where the embedded log and store keep their files.',
  } satisfies Setting<string>,
  roles: {
    env: 'ROLES',
    default: ['api', 'projector'],
    kind: someOf(...ROLES),
    allowed: 'api, projector or both, separated by a comma',
    why: 'Whether the node serves clients, carries events into the store, or does both.',
  } satisfies Setting<readonly Role[]>,
  logLevel: {
    env: 'LOG_LEVEL',
    default: 'info',
    kind: oneOf(...LEVELS),
    allowed: LEVELS.join(', '),
    why: 'What is logged; `PUT /sys/logging` changes it while the service runs.',
  } satisfies Setting<Level>,
  autoCreateWorkspaces: {
    env: 'AUTO_CREATE_WORKSPACES',
    default: true,
    kind: flag,
    allowed: 'true, false',
    why: 'Whether a first emit or subscription makes a workspace; `false` where callers are known.',
  } satisfies Setting<boolean>,
  corsOrigins: {
    env: 'CORS_ORIGINS',
    default: [],
    kind: origins,
    allowed: 'origins separated by commas, or *',
    why: 'Web origins whose pages may call the service and open WebSockets; none by default.',
  } satisfies Setting<readonly string[]>,
  drainSeconds: number(
    'DRAIN_SECONDS',
    10,
    0,
    600,
    'How long a stopping node spreads the closing of its connections over.',
  ),
  eventBytesMax: number(
    'EVENT_BYTES_MAX',
    MIB,
    KIB,
    64 * MIB,
    'The largest event as recorded; every reader, and Kafka by default, takes one whole.',
  ),
  bodyBytesMax: number(
    'BODY_BYTES_MAX',
    16 * MIB,
    KIB,
    256 * MIB,
    'The largest JSON body or WebSocket frame, which is held in memory. NDJSON has no such bound.',
  ),
  batchEventsMax: number(
    'BATCH_EVENTS_MAX',
    10_000,
    1,
    100_000,
    'Events in one JSON batch or frame; each costs an answer.',
  ),
  bodySecondsMax: number(
    'BODY_SECONDS_MAX',
    60,
    1,
    3600,
    'How long a JSON body may take to come: 16 MiB do at 2 Mbit/s. NDJSON has no such bound.',
  ),
  socketsMax: number(
    'SOCKETS_MAX',
    20_000,
    10,
    1_000_000,
    'Sockets open to a node; each takes a file descriptor and some memory.',
  ),
  waitingSocketsMax: number(
    'WAITING_SOCKETS_MAX',
    1_000,
    1,
    1_000_000,
    'Of them, on which a request is awaited; and WebSockets that have not said who they are.',
  ),
  inflightBytesMax: number(
    'INFLIGHT_BYTES_MAX',
    8 * MIB,
    KIB,
    1024 * MIB,
    'Bytes one connection may have emitted and not acknowledged; past them it is not read from.',
  ),
  idempotencyWindow: number(
    'IDEMPOTENCY_WINDOW',
    100_000,
    0,
    10_000_000,
    'Event ids that a node remembers, to answer a retry with the first position.',
  ),
  ringBytesMax: number(
    'RING_BYTES_MAX',
    64 * MIB,
    0,
    1024 * MIB,
    'Recent events in memory, for all tailed workspaces together: reconnecting clients get them.',
  ),
  readBytes: number(
    'READ_BYTES',
    256 * KIB,
    KIB,
    16 * MIB,
    'How much of a log or of history one read takes.',
  ),
  subscriberBufferBytesMax: number(
    'SUBSCRIBER_BUFFER_BYTES_MAX',
    MIB,
    KIB,
    64 * MIB,
    'Bytes waiting in one subscriber’s socket; past them its subscriptions stop pulling.',
  ),
  subscriptionsMax: number(
    'SUBSCRIPTIONS_MAX',
    1000,
    1,
    100_000,
    'Subscriptions on one WebSocket; each holds a compiled filter.',
  ),
  heartbeatSeconds: number(
    'HEARTBEAT_SECONDS',
    25,
    1,
    3600,
    'Between WebSocket pings and SSE comments: below the idle time-out of usual proxies (60 s).',
  ),
  positionSeconds: number(
    'POSITION_SECONDS',
    5,
    1,
    3600,
    'After how long without a match a subscriber is told how far it has been served.',
  ),
  waitSecondsMax: number(
    'WAIT_SECONDS_MAX',
    60,
    1,
    600,
    'The longest long poll or wait for a position: below the time-out of usual clients.',
  ),
  pageEventsMax: number(
    'PAGE_EVENTS_MAX',
    1000,
    1,
    100_000,
    'Events in one page of a search or a long poll.',
  ),
  searchMsMax: number(
    'SEARCH_MS_MAX',
    10_000,
    10,
    600_000,
    'How long one search may take before it is refused.',
  ),
  heavyQueriesMax: number(
    'HEAVY_QUERIES_MAX',
    4,
    1,
    1000,
    'Counts and aggregations at once on a node, by workspace: each may look at every event.',
  ),
  historyRetentionHours: number(
    'HISTORY_RETENTION_HOURS',
    0,
    0,
    876_000,
    'How long history keeps the events of a workspace that does not say; 0 for ever.',
  ),
  retentionSeconds: number(
    'RETENTION_SECONDS',
    600,
    1,
    86_400,
    'Between two rounds in which what is beyond retention, or was deleted long enough ago, goes.',
  ),
  deleteGraceHours: number(
    'DELETE_GRACE_HOURS',
    72,
    0,
    8760,
    'How long a deleted workspace can be restored; what goes on a Friday is missed on a Monday.',
  ),
  ...QUOTAS,
  ...AUTH,
  ...BACK_ENDS,
} as const;

type Settings = typeof SETTINGS;
type ValueOf<S> = S extends { kind: Kind<infer T> } ? T : never;
export type Config = { readonly [K in keyof Settings]: ValueOf<Settings[K]> };

/**
 * Reads the settings from the environment. An empty variable counts as absent.
 *
 * @throws Error naming every variable with a value that is not allowed, and what is.
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const faults: string[] = [];
  const entries = Object.entries<Setting<unknown>>(SETTINGS).map(([name, setting]) => {
    const given = env[setting.env];
    if (given === undefined || given === '') {
      return [name, setting.default] as const;
    }
    const value = setting.kind(given);
    if (value === undefined) {
      const shown = setting.secret ? 'not allowed' : JSON.stringify(given);
      faults.push(`${setting.env} is ${shown}, allowed: ${setting.allowed}`);
    }
    return [name, value] as const;
  });
  const config = Object.fromEntries(entries) as unknown as Config;
  if (faults.length === 0) {
    faults.push(...authFaults(config), ...backEndFaults(config));
  }
  if (faults.length > 0) {
    throw new Error(`Invalid settings: ${faults.join('; ')}`);
  }
  const { env: name } = SETTINGS.autoCreateWorkspaces;
  const isSaid = env[name] !== undefined && env[name] !== '';
  // A mistyped name must not make a tenant.
  return isSaid || !isAuthenticated(config) ? config : { ...config, autoCreateWorkspaces: false };
}
