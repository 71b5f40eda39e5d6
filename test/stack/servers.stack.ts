import assert from 'node:assert/strict';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import {
  ELASTICSEARCH_URL,
  KAFKA_BROKERS,
  kill,
  SCHEMA_REGISTRY_URL,
  start,
  type Name,
} from './servers.js';

const TOPIC = 'servers-stack';
const INDEX = `${ELASTICSEARCH_URL}/servers-stack`;
const SUBJECT = `${SCHEMA_REGISTRY_URL}/subjects/servers-stack`;
const SCHEMA = JSON.stringify({
  schemaType: 'JSON',
  schema: JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' }),
});

async function asJson(url: string, init: RequestInit = {}): Promise<any> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(url, { headers, ...init });
  assert.ok(response.ok, `${url}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

async function withAdmin<T>(ask: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({
    brokers: [KAFKA_BROKERS],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  }).admin();
  await admin.connect();
  try {
    return await ask(admin);
  } finally {
    await admin.disconnect();
  }
}

describe('A server that is killed', function () {
  this.timeout(180_000);

  /** How one writes what must survive, reads it, and removes it. */
  const kept: Record<Name, Record<'write' | 'read' | 'remove', () => Promise<unknown>>> = {
    kafka: {
      write: () => withAdmin((admin) => admin.createTopics({ topics: [{ topic: TOPIC }] })),
      read: () => withAdmin(async (admin) => (await admin.listTopics()).includes(TOPIC)),
      remove: () => withAdmin((admin) => admin.deleteTopics({ topics: [TOPIC] })),
    },
    elasticsearch: {
      write: () => asJson(`${INDEX}/_doc/1`, { method: 'PUT', body: '{"a":1}' }),
      read: async () => (await asJson(`${INDEX}/_doc/1`)).found === true,
      remove: () => asJson(INDEX, { method: 'DELETE' }),
    },
    registry: {
      write: () => asJson(`${SUBJECT}/versions`, { method: 'POST', body: SCHEMA }),
      read: async () => (await asJson(`${SUBJECT}/versions`)).length === 1,
      remove: () => asJson(SUBJECT, { method: 'DELETE' }),
    },
  };

  for (const [name, { write, read, remove }] of Object.entries(kept)) {
    it(`has kept what it has confirmed, once it is started again: ${name}`, async () => {
      await write();
      await kill(name as Name);
      await assert.rejects(read());
      await start(name as Name);
      assert.equal(await read(), true);
      await remove();
    });
  }
});
