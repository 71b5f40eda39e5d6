import type { Config } from './config.js';
import { MIB, number } from './config.kinds.js';
import type { Quota, Quotas } from './quota.js';

const EVENTS_MAX = 10_000_000;
const BYTES_MAX = 10_240 * MIB;
const AT_ONCE_MAX = 1_000_000;

/**
 * How much a workspace, and each caller in it, may take of a node where the workspace has no quotas
 * of its own. By default one workspace leaves about half of a small node to the others.
 */
export const QUOTAS = {
  quotaEvents: number(
    'QUOTA_EVENTS_PER_SECOND',
    100_000,
    0,
    EVENTS_MAX,
    'Events a second that a workspace takes on a node; 0 is no bound, as for all quotas.',
  ),
  quotaBytes: number(
    'QUOTA_BYTES_PER_SECOND',
    64 * MIB,
    0,
    BYTES_MAX,
    'Bytes a second that are emitted into a workspace on a node.',
  ),
  quotaSearches: number(
    'QUOTA_SEARCHES_PER_SECOND',
    1_000,
    0,
    EVENTS_MAX,
    'Requests a second about a workspace that read or manage, and subscriptions that begin.',
  ),
  quotaConnections: number(
    'QUOTA_CONNECTIONS',
    10_000,
    0,
    AT_ONCE_MAX,
    'WebSockets, streams, exports and polls of a workspace on a node at once.',
  ),
  quotaSubscriptions: number(
    'QUOTA_SUBSCRIPTIONS',
    50_000,
    0,
    AT_ONCE_MAX,
    'Subscriptions of a workspace on a node at once, those of streams and polls included.',
  ),
  quotaCallerEvents: number(
    'QUOTA_CALLER_EVENTS_PER_SECOND',
    50_000,
    0,
    EVENTS_MAX,
    'Events a second that one user or API key emits there; superadmins have no such bounds.',
  ),
  quotaCallerBytes: number(
    'QUOTA_CALLER_BYTES_PER_SECOND',
    32 * MIB,
    0,
    BYTES_MAX,
    'Bytes a second that one user or API key emits there.',
  ),
  quotaCallerSearches: number(
    'QUOTA_CALLER_SEARCHES_PER_SECOND',
    200,
    0,
    EVENTS_MAX,
    'Requests a second of one user or API key that read or manage there.',
  ),
  quotaCallerConnections: number(
    'QUOTA_CALLER_CONNECTIONS',
    1_000,
    0,
    AT_ONCE_MAX,
    'WebSockets, streams, exports and polls of one user or API key there at once.',
  ),
  quotaCallerSubscriptions: number(
    'QUOTA_CALLER_SUBSCRIPTIONS',
    5_000,
    0,
    AT_ONCE_MAX,
    'Subscriptions of one user or API key there at once.',
  ),
} as const;

/** The quotas as they are configured. */
export function quotasOf(config: Pick<Config, keyof typeof QUOTAS>): Quotas {
  const bound = (value: number): number => (value === 0 ? Infinity : value);
  const workspace: Quota = {
    eventsPerSecond: bound(config.quotaEvents),
    bytesPerSecond: bound(config.quotaBytes),
    searchesPerSecond: bound(config.quotaSearches),
    connections: bound(config.quotaConnections),
    subscriptions: bound(config.quotaSubscriptions),
  };
  const caller: Quota = {
    eventsPerSecond: bound(config.quotaCallerEvents),
    bytesPerSecond: bound(config.quotaCallerBytes),
    searchesPerSecond: bound(config.quotaCallerSearches),
    connections: bound(config.quotaCallerConnections),
    subscriptions: bound(config.quotaCallerSubscriptions),
  };
  return { workspace, caller };
}
