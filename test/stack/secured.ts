import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { kafkaWith } from './kafka.js';
import { freePort, startAlone, type Alone } from './stack.js';

const USERNAME = 'service';
const PASSWORD = 'what only the service knows';

/** A broker that lets in whom it knows, and what a client needs for that. */
export interface Secured {
  /** `address` is that of its administrators, who need nothing. */
  readonly broker: Alone;
  /** Of clients. */
  readonly address: string;
  readonly username: string;
  readonly password: string;
  /** Files: whom to trust, who the client is, and its private key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Starts a broker that talks TLS, and asks its clients for a certificate and a password.
 *
 * @param folder For the files.
 */
export async function startSecured(folder: string): Promise<Secured> {
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  const [own, client] = [await certificate('broker'), await certificate(USERNAME)];
  const keystore = await file('broker.pem', own.private + own.cert);
  const truststore = await file('trusted.pem', client.cert);
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const user = (mechanism: string): string[] => [
    '--add-scram',
    `${mechanism}=[name=${USERNAME},password=${PASSWORD}]`,
  ];
  const broker = await startAlone(
    kafkaWith(
      ({ port: plainPort, innerPort }) => ({
        listeners: [
          `PLAINTEXT://127.0.0.1:${plainPort}`,
          `SECURED://${address}`,
          `CONTROLLER://127.0.0.1:${innerPort}`,
        ].join(),
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${plainPort},SECURED://${address}`,
        'listener.security.protocol.map':
          'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL',
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': keystore,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': truststore,
        'listener.name.secured.ssl.client.auth': 'required',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
        'listener.name.secured.plain.sasl.jaas.config': module(
          `plain.PlainLoginModule required user_${USERNAME}="${PASSWORD}"`,
        ),
        'listener.name.secured.scram-sha-256.sasl.jaas.config': SCRAM,
        'listener.name.secured.scram-sha-512.sasl.jaas.config': SCRAM,
      }),
      [...user('SCRAM-SHA-256'), ...user('SCRAM-SHA-512')],
    ),
  );
  return {
    broker,
    address,
    username: USERNAME,
    password: PASSWORD,
    ca: await file('ca.pem', own.cert),
    cert: await file('client.pem', client.cert),
    key: await file('client.key', client.private),
  };
}

const SCRAM = module('scram.ScramLoginModule required');

function module(spelled: string): string {
  return `org.apache.kafka.common.security.${spelled};`;
}

function certificate(name: string): ReturnType<typeof generate> {
  return generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
}
