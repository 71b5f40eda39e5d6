import { once } from 'node:events';
import { Client } from '@elastic/elasticsearch';
import { pause } from '../../src/pause.js';
import { until } from '../until.js';
import { consume } from './consumer.js';

/**
 * The least that writes a history: a consumer of kafkajs that puts what it gets into Elasticsearch
 * as it is, by one `_bulk` each time. As the projection does, it makes that searchable at once, and
 * rests before the next. Works until its input ends, and tells how many events are there then.
 */
interface Asked {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly elasticsearch: string;
}

const GATHER_MS = 100;
/** Servers that have just been started lag behind. */
const CATCH_UP_MS_MAX = 30_000;

const { brokers, topic, elasticsearch } = JSON.parse(process.argv[2] ?? '') as Asked;
const client = new Client({ node: elasticsearch });
const index = topic;
const settings = { refresh_interval: '-1', number_of_replicas: 0 };
await client.indices.create({ index, settings });
let behind = Infinity;
const consumer = await consume(brokers, topic, `${topic}-indexer`, {
  eachBatch: async ({ batch }) => {
    const lines = batch.messages.map(
      ({ offset, value }) => `{"create":{"_id":"${offset}"}}\n${String(value)}\n`,
    );
    const { errors } = await client.transport.request<{ errors: boolean }>({
      method: 'POST',
      path: `/${index}/_bulk`,
      querystring: { filter_path: 'errors' },
      bulkBody: lines.join(''),
    });
    if (errors) {
      throw new Error('Elasticsearch has refused some');
    }
    await client.indices.refresh({ index });
    behind = Number(batch.offsetLag());
    await pause(GATHER_MS);
  },
});
process.stdout.write(`indexes ${topic}\n`);
await once(process.stdin.resume(), 'end');
await until('all is indexed', () => behind === 0, CATCH_UP_MS_MAX);
await consumer.disconnect();
const { count } = await client.count({ index });
process.stdout.write(`${JSON.stringify({ events: count })}\n`);
process.exit(0);
