import { randomUUID } from 'node:crypto';
import { Client } from '@elastic/elasticsearch';
import { openKafkaLog } from '../../src/commands/log.kafka.js';
import { seal } from '../../src/commands/fit.js';
import type { Event, Recorded } from '../../src/event.js';
import { logger } from '../../src/logger.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { Projection } from '../../src/projections/projection.js';
import { openElasticStore } from '../../src/projections/store.elastic.js';
import { documentOf } from '../../src/projections/store.elastic.document.js';
import { until } from '../until.js';

/**
 * How fast the projection carries a backlog from Kafka into Elasticsearch, beside a bare `_bulk` of
 * the same documents, made before, into an index of the same layout: one refresh in the end.
 */
interface Asked {
  readonly brokers: readonly string[];
  readonly elasticsearch: string;
  readonly kind: 'service' | 'bare';
  readonly events: number;
}

const APPEND_EVENTS = 1_000;
/** The size of a bulk by which Elasticsearch is kept busy without a long wait for each. */
const BULK_DOCUMENTS = 5_000;
/** As the store numbers the only path that has numbers. */
const COLUMNS = new Map([['payload.total', 0]]);
const CITIES = ['Paris', 'Lyon', 'Nice', 'Lille'];

const asked = JSON.parse(process.argv[2] ?? '') as Asked;
const workspace = `bench-${randomUUID().slice(0, 8)}`;

logger.level = 'error';

function event(n: number): Event {
  const at = new Date(Date.UTC(2026, 0, 15) + n).toISOString();
  return {
    id: randomUUID(),
    type: n % 3 === 0 ? 'order.paid' : 'order.created',
    workspaceId: workspace,
    time: at,
    createdAt: at,
    source: { workspaceId: workspace, correlationId: randomUUID(), connectionId: randomUUID() },
    payload: {
      total: n % 1000,
      city: CITIES[n % CITIES.length]!,
      customer: { id: `c${String(n % 5000)}`, name: 'Ada Lovelace' },
      note: 'left at the back door',
    },
  };
}

const log = await openKafkaLog({
  brokers: asked.brokers,
  clientId: 'bench',
  topicPrefix: `${workspace}.`,
  replicationFactor: 1,
  minInsyncReplicas: 1,
  waitMs: 30_000,
});
const store = openElasticStore({
  nodes: [asked.elasticsearch],
  prefix: workspace,
  shards: 1,
  replicas: 0,
  searchMsMax: 30_000,
});
const client = new Client({ node: asked.elasticsearch });
const { epoch } = await log.create(workspace, {});
const of = { id: workspace, epoch, generation: 0 };
for (let n = 0; n < asked.events; n += APPEND_EVENTS) {
  const events = Array.from({ length: APPEND_EVENTS }, (_, index) => event(n + index));
  await log.append(
    workspace,
    events.map((each) => seal(each, JSON.stringify(each.source))),
  );
}
const last = asked.events - 1;

/** Makes the index, as the first event does, so that neither side has to. */
async function warm(): Promise<void> {
  const first = await log.read(workspace, -1 as Recorded['position'], 1);
  await store.write(of, first.records);
}

async function project(): Promise<void> {
  const workspaces = await Workspaces.open(log, { autoCreate: false, retention: {} });
  const deadLetters = await DeadLetters.open(log, store, workspaces);
  const projection = new Projection(of, { log, store, deadLetters });
  const stopping = new AbortController();
  const running = projection.run(stopping.signal);
  await until('all is historized', () => (projection.checkpoint ?? 0) >= last, 120_000);
  stopping.abort();
  await running;
}

async function documents(): Promise<string[]> {
  const lines: string[] = [];
  const action = `{"create":{"_index":"${workspace}-2026.01","routing":"${workspace}"`;
  let after = -1 as Recorded['position'];
  while (after < last) {
    const { records } = await log.read(workspace, after, 1024 * 1024);
    for (const record of records) {
      const { id, source } = documentOf(of, record, COLUMNS);
      lines.push(`${action},"_id":${JSON.stringify(id)}}}\n${source}\n`);
      after = record.position;
    }
  }
  return lines;
}

async function bulk(lines: readonly string[]): Promise<void> {
  for (let begin = 0; begin < lines.length; begin += BULK_DOCUMENTS) {
    await client.transport.request({
      method: 'POST',
      path: '/_bulk',
      querystring: { filter_path: 'errors' },
      bulkBody: lines.slice(begin, begin + BULK_DOCUMENTS).join(''),
    });
  }
  await client.indices.refresh({ index: workspace });
}

await warm();
const lines = asked.kind === 'bare' ? await documents() : [];
const began = performance.now();
await (asked.kind === 'bare' ? bulk(lines) : project());
const seconds = (performance.now() - began) / 1000;
const { count } = await client.count({ index: workspace });
if (count !== asked.events) {
  throw new Error(`${String(count)} of ${String(asked.events)} events are in the history`);
}
process.stdout.write(`${JSON.stringify({ eventsPerSecond: asked.events / seconds })}\n`);
process.exit(0);
