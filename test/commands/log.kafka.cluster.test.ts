import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, LookupFunction } from 'node:net';
import { createSecureContext, createServer, type Server } from 'node:tls';
import { metadataV12 } from '@platformatic/kafka';
import { generate } from 'selfsigned';
import { Cluster } from '../../src/commands/log.kafka.cluster.js';

/** As a resolver would, with a cluster of one machine. */
const lookup: LookupFunction = (_host, _options, found) => {
  found(null, [{ address: '127.0.0.1', family: 4 }]);
};

describe('A TLS connection to a broker', () => {
  let server: Server;
  let port: number;
  /** The names by which clients have asked for a broker, and how many clients there were. */
  let named: string[];
  let came: number;

  beforeEach(async () => {
    [named, came] = [[], 0];
    const subject = [{ name: 'commonName', value: 'broker' }];
    const { private: key, cert } = await generate(subject, { keyType: 'ec', algorithm: 'sha256' });
    const context = createSecureContext({ key, cert });
    server = createServer({
      key,
      cert,
      SNICallback: (name, use) => {
        named.push(name);
        use(null, context);
      },
    });
    server.on('secureConnection', (socket) => {
      came++;
      socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });

  afterEach(async () => {
    server.close();
    await once(server, 'close');
  });

  const clusterAt = (host: string): Cluster =>
    new Cluster({
      brokers: [`${host}:${String(port)}`],
      clientId: 'test',
      ssl: { rejectUnauthorized: false, lookup },
      waitMs: 5000,
    });

  it('names the broker, by which a gateway knows where to lead it', async () => {
    const cluster = clusterAt('bootstrap.test');
    await assert.rejects(cluster.refresh());
    const link = cluster.link({ host: 'broker-2.test', port }, 'read');
    await assert.rejects(link.call(metadataV12.api, [], false, false));
    assert.deepEqual(named, ['bootstrap.test', 'broker-2.test']);
    cluster.close();
  });

  it('names none that is known by its address alone, as TLS has it', async () => {
    const cluster = clusterAt('127.0.0.1');
    await assert.rejects(cluster.refresh());
    assert.deepEqual([named, came], [[], 1]);
    cluster.close();
  });
});
