import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { readConfig, SETTINGS } from '../src/config.js';
import { ELASTICSEARCH_VERSION } from './stack/elasticsearch.js';
import { KAFKA_VERSION } from './stack/kafka.js';
import { REGISTRY_VERSION } from './stack/registry.js';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly environment?: Record<string, string | number>;
  readonly network_mode?: string;
  readonly ports?: string[];
  readonly volumes?: string[];
  readonly depends_on?: Record<string, { condition: string }>;
  readonly healthcheck?: { test: string | string[] };
  readonly stop_grace_period?: string;
}

// From dist/test, where this runs.
const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const file = load(read('docker-compose.yml'), { schema: CORE_SCHEMA.withTags(mergeTag) }) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
};
const { services } = file;
const nginx = read('deploy/nginx.conf');

const nodes = Object.values(services).filter(({ build }) => build !== undefined);
const environmentOf = (service: Service | undefined): Record<string, string> =>
  Object.fromEntries(
    Object.entries(service?.environment ?? {}).map(([name, value]) => [name, String(value)]),
  );
/** What a directive of the proxy says, each time that it stands there. */
const directives = (name: string): string[] =>
  Array.from(nginx.matchAll(new RegExp(`^\\s*${name}\\s+(.*);$`, 'gm')), ([, value]) => value!);
const seconds = (text: string | undefined): number => Number(/^(\d+)s$/.exec(text ?? '')?.[1]);

describe('The compose file', () => {
  it('has the versions that the tests run', () => {
    const image = (name: string): string | undefined => services[name]?.image;
    assert.equal(image('kafka'), `apache/kafka:${KAFKA_VERSION}`);
    assert.equal(
      image('elasticsearch'),
      `docker.elastic.co/elasticsearch/elasticsearch:${ELASTICSEARCH_VERSION}`,
    );
    assert.equal(image('registry'), `apicurio/apicurio-registry:${REGISTRY_VERSION}`);
  });

  it('sets only settings that there are, to what is allowed', () => {
    const known = Object.values(SETTINGS).map(({ env }): string => env);
    assert.ok(nodes.length >= 2);
    for (const node of nodes) {
      const environment = environmentOf(node);
      assert.deepEqual(
        Object.keys(environment).filter((name) => !known.includes(name)),
        [],
      );
      readConfig(environment);
    }
  });

  it('has the nodes use the servers where these listen', () => {
    const kafka = environmentOf(services.kafka);
    const [scheme, address] = kafka.KAFKA_ADVERTISED_LISTENERS!.split('://');
    assert.equal(new URL(`http://${address!}`).hostname, 'kafka');
    const { port } = new URL(`http://${address!}`);
    assert.ok(kafka.KAFKA_LISTENERS!.split(',').includes(`${scheme!}://:${port}`));
    // The ports are those of the images.
    const servers = {
      KAFKA_BROKERS: address!,
      ELASTICSEARCH_URL: 'http://elasticsearch:9200',
      SCHEMA_REGISTRY_URL: 'http://registry:8080/apis/ccompat/v7',
    };
    for (const node of nodes) {
      const environment = environmentOf(node);
      for (const [name, value] of Object.entries(servers)) {
        assert.equal(environment[name], value);
      }
    }
    assert.equal(environmentOf(services.registry).APICURIO_KAFKASQL_BOOTSTRAP_SERVERS, address);
  });

  it('gives Kafka a log folder that is on the volume, and an id that it takes', () => {
    const { CLUSTER_ID, KAFKA_LOG_DIRS } = environmentOf(services.kafka);
    assert.match(CLUSTER_ID!, /^[\w-]{22}$/);
    assert.deepEqual(services.kafka?.volumes, [`kafka:${KAFKA_LOG_DIRS!}`]);
  });

  it('lets nobody in but this machine, and only through the proxy', () => {
    const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined);
    assert.deepEqual(
      published.map(([name]) => name),
      ['loopback'],
    );
    assert.deepEqual(services.loopback?.ports, [`127.0.0.1:3000:${directives('listen')[0]!}`]);
    for (const inside of [services.proxy, ...nodes]) {
      // Not of one that does something: its restart would take the network from the others.
      assert.equal(inside?.network_mode, 'service:loopback');
      assert.equal(inside.environment?.HOST, undefined);
    }
  });

  it('has the proxy give requests to every node in turn', () => {
    const ports = nodes.map((node) => environmentOf(node).PORT);
    assert.equal(new Set(ports).size, nodes.length);
    assert.deepEqual(
      directives('server').map((server) => /^127\.0\.0\.1:(\d+) /.exec(server)?.[1]),
      ports,
    );
    assert.doesNotMatch(nginx, /\b(hash|ip_hash|sticky|least_conn|random)\b/);
  });

  it('has the proxy wait longer than the service is silent', () => {
    const silence = Math.max(SETTINGS.heartbeatSeconds.default, SETTINGS.waitSecondsMax.default);
    for (const timeout of [
      ...directives('proxy_read_timeout'),
      ...directives('proxy_send_timeout'),
    ]) {
      assert.ok(seconds(timeout) > silence, timeout);
    }
  });

  it('gives a node the time to drain', () => {
    for (const { stop_grace_period: grace } of nodes) {
      assert.ok(seconds(grace) > SETTINGS.drainSeconds.default);
    }
  });

  it('waits for what can be asked whether it is ready', () => {
    for (const [name, { depends_on: needs = {} }] of Object.entries(services)) {
      for (const [needed, { condition }] of Object.entries(needs)) {
        assert.equal(condition, 'service_healthy');
        assert.ok(services[needed]?.healthcheck, `${name} waits for ${needed}`);
      }
    }
  });

  it('mounts what is there: volumes that it declares, and files of the repository', () => {
    const mounts = Object.values(services)
      .flatMap(({ volumes = [] }) => volumes)
      .map((volume) => volume.split(':')[0]!);
    const [files, volumes] = [true, false].map((isFile) =>
      mounts.filter((mount) => mount.startsWith('.') === isFile),
    );
    assert.deepEqual(volumes, Object.keys(file.volumes));
    assert.deepEqual(
      files!.filter((path) => !existsSync(new URL(path, root))),
      [],
    );
  });
});
