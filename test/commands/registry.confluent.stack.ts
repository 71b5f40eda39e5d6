import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import type { KafkaMessage } from 'kafkajs';
import { registerEnvelope } from '../../src/commands/registry.confluent.js';
import { SCHEMA_REGISTRY_URL as url } from '../stack/servers.js';
import { kafka, logOptions, withKafkaLogs } from './log.kafka.setup.js';
import { numbered } from './sealed.js';

describe('the schema registry', () => {
  const open = withKafkaLogs();
  let subject: string;

  beforeEach(() => {
    subject = `test-${randomUUID()}`;
  });

  afterEach(async () => {
    await fetch(`${url}/subjects/${subject}`, { method: 'DELETE' });
    await fetch(`${url}/subjects/${subject}?permanent=true`, { method: 'DELETE' });
  });

  it('gives the same id each time, to any node', async () => {
    const ids = [
      await registerEnvelope({ url }, subject),
      await registerEnvelope({ url }, subject),
    ];
    assert.equal(ids[0], ids[1]);
    assert.ok(Number.isInteger(ids[0]));
  });

  it('gives the same id to nodes that start at once', async () => {
    const nodes = Array.from({ length: 8 }, () => registerEnvelope({ url }, subject));
    assert.equal(new Set(await Promise.all(nodes)).size, 1);
  });

  it('lets every client decode every record to the event', async () => {
    const schemaId = await registerEnvelope({ url }, subject);
    const { topicPrefix } = logOptions();
    const log = await open({ topicPrefix, schemaId });
    await log.create('w', {});
    const events = numbered(0, 50);
    await log.append('w', events.slice(0, 20));
    await log.append('w', events.slice(20));

    const registry = new SchemaRegistry({ host: url });
    const decoded: unknown[] = [];
    const consumer = kafka.consumer({ groupId: topicPrefix });
    await consumer.connect();
    await consumer.subscribe({ topics: [`${topicPrefix}w`], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const take = async ({ message }: { message: KafkaMessage }): Promise<void> => {
        decoded.push(await registry.decode(message.value!).catch(reject));
        if (decoded.length === events.length) {
          resolve();
        }
      };
      consumer.run({ eachMessage: take }).catch(reject);
    });
    await consumer.disconnect();
    assert.deepEqual(
      decoded,
      events.map(({ event }) => event),
    );
  });

  it('may come up later than the node, but not too late', async () => {
    // Takes the port, and gives it free.
    const server = createServer((client) => {
      const { hostname, port } = new URL(url);
      const registry = connect(Number(port), hostname);
      client.pipe(registry).pipe(client);
      client.on('error', () => registry.destroy());
      registry.on('error', () => client.destroy());
    });
    const listening = async (port: number): Promise<number> => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    };
    const port = await listening(0);
    server.close();
    await once(server, 'close');
    const late = new URL(url);
    late.host = `127.0.0.1:${String(port)}`;
    await assert.rejects(registerEnvelope({ url: late.href }, subject, 100), {
      code: 'unavailable',
    });
    const registering = registerEnvelope({ url: late.href }, subject);
    await listening(port);
    assert.equal(await registering, await registerEnvelope({ url }, subject));
    server.close();
  });
});
