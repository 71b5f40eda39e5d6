import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * What an operator needs to see. No label takes a value that callers choose (workspaces, users,
 * types): their number is without bound, and so would be the memory of every scraper.
 */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });

const registers = [registry];
/** How far the projection is behind. */
export interface Lag {
  readonly events: number;
  readonly seconds: number;
}

let measureLag = (): Promise<Lag> => Promise.resolve({ events: 0, seconds: 0 });
let measuring: Promise<Lag> | undefined;

/** Names who can tell the lag; it is asked when the metrics are. */
export function lagMeasuredBy(measure: () => Promise<Lag>): void {
  measureLag = measure;
}

/**
 * All metrics are collected at once, so that one measurement serves those that show the lag. A log
 * that cannot tell it must not take the other metrics along: then they are needed most.
 */
function lag(): Promise<Lag> {
  measuring ??= measureLag()
    .catch(() => ({ events: NaN, seconds: NaN }))
    .finally(() => {
      measuring = undefined;
    });
  return measuring;
}

/**
 * Events handed to subscribers. Counted for every write to every subscriber, where looking up a
 * labelled counter would cost as much as the rest, so it becomes one only when it is asked for.
 */
export const delivered = { ws: 0, sse: 0, poll: 0, export: 0 };

/** From a tenth of a millisecond, a fast disk’s commit, to the bounds of a request. */
const buckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export const metrics = {
  socketsDropped: new Counter({
    name: 'sockets_dropped_total',
    help: 'Sockets closed because there were too many: in all, idle, or of unknown callers',
    labelNames: ['because'] as const,
    registers,
  }),
  quotaRefusals: new Counter({
    name: 'quota_refusals_total',
    help: 'What was refused because a quota was used up, by quota and whose it is',
    labelNames: ['quota', 'of'] as const,
    registers,
  }),
  emitted: new Counter({
    name: 'events_emitted_total',
    help: 'Events appended to a log and acknowledged',
    registers,
  }),
  refused: new Counter({
    name: 'events_refused_total',
    help: 'Events refused, by error code',
    labelNames: ['code'] as const,
    registers,
  }),
  duplicates: new Counter({
    name: 'events_duplicate_total',
    help: 'Events answered with the position of an earlier one of the same id',
    registers,
  }),
  delivered: new Counter({
    name: 'events_delivered_total',
    help: 'Events handed to subscribers, by transport',
    labelNames: ['transport'] as const,
    registers,
    collect() {
      this.reset();
      for (const [transport, events] of Object.entries(delivered)) {
        this.inc({ transport }, events);
      }
    },
  }),
  appendSeconds: new Histogram({
    name: 'events_append_duration_seconds',
    help: 'From the end of validation until the log has confirmed the append',
    buckets,
    registers,
  }),
  deliverySeconds: new Histogram({
    name: 'events_delivery_duration_seconds',
    help: 'From the acceptance of an event until it was written to the live subscribers',
    buckets,
    registers,
  }),
  requestSeconds: new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Duration of HTTP requests by operation and status; streams count until they end',
    labelNames: ['operation', 'status'] as const,
    buckets,
    registers,
  }),
  connections: new Gauge({
    name: 'websocket_connections',
    help: 'Open WebSocket connections',
    registers,
  }),
  subscribers: new Gauge({
    name: 'subscribers',
    help: 'Open subscriptions, by transport',
    labelNames: ['transport'] as const,
    registers,
  }),
  tails: new Gauge({
    name: 'tails',
    help: 'Workspaces that this node follows for subscribers',
    registers,
  }),
  slowSubscribers: new Counter({
    name: 'subscribers_slowed_total',
    help: 'Times that a live subscriber fell back to reading the log because its socket was full',
    registers,
  }),
  projectionLagEvents: new Gauge({
    name: 'projection_lag_events',
    help: 'Events in the logs that are not yet searchable, over all workspaces',
    registers,
    async collect() {
      this.set((await lag()).events);
    },
  }),
  projectionLagSeconds: new Gauge({
    name: 'projection_lag_seconds',
    help: 'Age of the oldest event that is being made searchable',
    registers,
    async collect() {
      this.set((await lag()).seconds);
    },
  }),
  storeWriteSeconds: new Histogram({
    name: 'store_write_duration_seconds',
    help: 'Duration of one write of a batch into the store',
    buckets,
    registers,
  }),
  historized: new Counter({
    name: 'events_historized_total',
    help: 'Events that the store has confirmed, by outcome',
    labelNames: ['outcome'] as const,
    registers,
  }),
  rebuilt: new Counter({
    name: 'events_rebuilt_total',
    help: 'Events that the store has confirmed for a history that is being rebuilt, by outcome',
    labelNames: ['outcome'] as const,
    registers,
  }),
  unreadable: new Counter({
    name: 'kafka_records_unreadable_total',
    help: 'Records of other producers in a log on Kafka that are no events: passed over',
    registers,
  }),
  unhistorized: new Counter({
    name: 'events_unhistorized_total',
    help: 'Events that the log forgot before they were historized',
    registers,
  }),
  logTruncations: new Counter({
    name: 'log_truncations_total',
    help: 'Times that a projection found its log to end before where it had read it',
    registers,
  }),
  trimmed: new Counter({
    name: 'events_trimmed_total',
    help: 'Events that the service has removed from log or history because of their retention',
    labelNames: ['from'] as const,
    registers,
  }),
  errors: new Counter({
    name: 'errors_total',
    help: 'Unexpected errors, answered with Internal Error',
    registers,
  }),
};
