import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { openKafkaLog } from '../../src/commands/log.kafka.js';
import { logOptions } from '../commands/log.kafka.setup.js';
import { startSecured, type Secured } from '../stack/secured.js';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { temporaryFolder } from '../support/node.js';
import { Cluster } from './cluster.js';

const EVENT = { type: 'flow.secured', payload: {} };

describe('a broker that asks for TLS, a certificate and a password', function () {
  this.timeout(120_000);
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let secured: Secured;
  let cluster: Cluster;

  before(async () => {
    folder = await temporaryFolder();
    secured = await startSecured(folder.path);
    cluster = new Cluster({ KAFKA_BROKERS: secured.broker.address });
  });
  after(async () => {
    await cluster.stop();
    await secured.broker.stop();
    await folder.remove();
  });

  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512']) {
    it(`serves nodes that authenticate with ${mechanism}`, async () => {
      const settings = {
        KAFKA_BROKERS: secured.address,
        KAFKA_TLS: 'true',
        KAFKA_TLS_CA_FILE: secured.ca,
        KAFKA_TLS_CERT_FILE: secured.cert,
        KAFKA_TLS_KEY_FILE: secured.key,
        KAFKA_SASL_MECHANISM: mechanism,
        KAFKA_SASL_USERNAME: secured.username,
        KAFKA_SASL_PASSWORD: secured.password,
      };
      const [one, two] = [await cluster.spawn(settings), await cluster.spawn(settings)];
      const { status, body } = await emit(one.url, mechanism, [EVENT]);
      assert.equal(status, 201, JSON.stringify(body));
      const [{ id, position }] = body.results;
      const socket = await Socket.open(two.url, mechanism);
      socket.send({ op: 'subscribe', id: 1, from: 'start' });
      const { event } = await socket.until('it is delivered', ({ op }) => op === 'event');
      assert.equal(event.id, id);
      await socket.close();
      const query = { waitFor: position as string, wait: '30' };
      const found = await request(eventsUrl(two.url, mechanism, query));
      assert.equal(found.body.events[0]?.event.id, id, JSON.stringify(found.body));
    });
  }

  it('lets in nobody without the certificate or with another password', async () => {
    const [ca, cert, key] = await Promise.all(
      [secured.ca, secured.cert, secured.key].map((path) => readFile(path, 'utf8')),
    );
    const { username, password } = secured;
    const open = (ssl: object, given: string): Promise<unknown> =>
      openKafkaLog(
        logOptions({
          brokers: [secured.address],
          ssl,
          sasl: { mechanism: 'PLAIN', username, password: given },
          waitMs: 2000,
        }),
      );
    await assert.rejects(open({ ca }, password), { code: 'unavailable' });
    await assert.rejects(open({ ca, cert, key }, 'another'), { code: 'unavailable' });
    await assert.rejects(open({ cert, key }, password), { code: 'unavailable' });
  });
});
