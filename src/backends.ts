import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { ConnectionOptions } from 'node:tls';
import { openEmbeddedLog } from './commands/log.embedded.js';
import type { EventLog } from './commands/log.js';
import { msOf, type RetentionPolicy } from './retention.js';
import type { Config } from './config.js';
import { ServiceError } from './errors.js';
import { logger } from './logger.js';
import { pause } from './pause.js';
import { ALL_SHARES, NO_SHARES, type Shares } from './projections/shares.js';
import type { EventStore } from './projections/store.js';
import { openSqliteStore } from './projections/store.sqlite.js';

/**
 * The log, the store and the shares of a node. No other file knows which back ends there are. What
 * speaks to a server is loaded where that is configured: the clients take as long as all else.
 */

const RETRY_MS = 1000;

type OnFatal = (error: Error) => void;

/** The log: on Kafka where that is configured, else embedded. */
export async function openLog(config: Config, onFatal: OnFatal): Promise<EventLog> {
  if (config.kafkaBrokers.length === 0) {
    await mkdir(config.dataDir, { recursive: true });
    return openEmbeddedLog(config.dataDir, { onFatal });
  }
  const { openKafkaLog } = await import('./commands/log.kafka.js');
  const [registry] = config.schemaRegistryUrl;
  const schemaId =
    registry === undefined
      ? undefined
      : await patiently('the schema registry', async () => {
          const { registerEnvelope } = await import('./commands/registry.confluent.js');
          return registerEnvelope({
            url: registry,
            username: config.schemaRegistryUsername,
            password: config.schemaRegistryPassword,
          });
        });
  const sasl = saslOf(config);
  return patiently('Kafka', () =>
    openKafkaLog({
      ...kafkaOf(config),
      ...(sasl && { sasl: { ...sasl, mechanism: MECHANISMS[sasl.mechanism] } }),
      topicPrefix: config.kafkaTopicPrefix,
      replicationFactor: config.kafkaReplicationFactor,
      minInsyncReplicas: config.kafkaMinInsyncReplicas,
      waitMs: config.kafkaWaitSeconds * 1000,
      ...(schemaId !== undefined && { schemaId }),
    }),
  );
}

/** How long a workspace that does not say itself keeps its events. */
export function retentionOf({
  kafkaBrokers,
  kafkaRetentionHours,
  historyRetentionHours,
}: Config): RetentionPolicy {
  const logHours = kafkaBrokers.length > 0 ? kafkaRetentionHours : 0;
  return {
    log: logHours > 0 ? { maxAgeMs: msOf(logHours) } : {},
    history: historyRetentionHours > 0 ? { maxAgeMs: msOf(historyRetentionHours) } : {},
  };
}

/** The store: in Elasticsearch where that is configured, else embedded. */
export async function openStore(config: Config, onFatal: OnFatal): Promise<EventStore> {
  const { searchMsMax } = config;
  if (config.elasticsearchUrl.length === 0) {
    await mkdir(config.dataDir, { recursive: true });
    return openSqliteStore(config.dataDir, { searchMsMax, onFatal });
  }
  const { openElasticStore } = await import('./projections/store.elastic.js');
  const {
    elasticsearchApiKey: apiKey,
    elasticsearchUsername: username,
    elasticsearchPassword: password,
  } = config;
  return openElasticStore({
    nodes: config.elasticsearchUrl,
    ...(apiKey !== '' && { auth: { apiKey } }),
    ...(username !== '' && { auth: { username, password } }),
    ...(config.elasticsearchCaFile !== '' && { ca: read(config.elasticsearchCaFile) }),
    prefix: config.elasticsearchIndexPrefix,
    shards: config.elasticsearchShards,
    replicas: config.elasticsearchReplicas,
    searchMsMax,
  });
}

/**
 * What of the projection falls to this node: a share where log and store are shared. A node with a
 * store of its own needs all of it there.
 */
export async function openShares(config: Config): Promise<Shares> {
  if (!config.roles.includes('projector')) {
    return NO_SHARES;
  }
  if (config.kafkaBrokers.length === 0 || config.elasticsearchUrl.length === 0) {
    return ALL_SHARES;
  }
  const { openKafkaShares } = await import('./projections/shares.kafka.js');
  const sasl = saslOf(config);
  return openKafkaShares({
    ...kafkaOf(config),
    ...(sasl && { sasl }),
    topicPrefix: config.kafkaTopicPrefix,
    replicationFactor: config.kafkaReplicationFactor,
  });
}

/** Whether there is one history, whatever nodes there are: on Kafka alone, each has its own. */
export function hasOneStore({ kafkaBrokers, elasticsearchUrl }: Config): boolean {
  return kafkaBrokers.length === 0 || elasticsearchUrl.length > 0;
}

/** What is started together comes up in any order, so a node waits for the servers it needs. */
async function patiently<T>(what: string, open: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === 'unavailable')) {
        throw error;
      }
      logger.warn({ err: error }, `waiting for ${what}`);
      await pause(RETRY_MS);
    }
  }
}

function kafkaOf(config: Config): {
  brokers: readonly string[];
  clientId: string;
  ssl?: ConnectionOptions;
} {
  const {
    kafkaTls,
    kafkaTlsCaFile: ca,
    kafkaTlsCertFile: cert,
    kafkaTlsKeyFile: key,
    kafkaBrokers: brokers,
  } = config;
  const ssl = {
    ...(ca !== '' && { ca: read(ca) }),
    ...(cert !== '' && { cert: read(cert), key: read(key) }),
  };
  return { brokers, clientId: `workspace-events-${hostname()}`, ...(kafkaTls && { ssl }) };
}

const MECHANISMS = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const;

function saslOf({ kafkaSaslMechanism, kafkaSaslUsername, kafkaSaslPassword }: Config) {
  return kafkaSaslMechanism === ''
    ? undefined
    : { mechanism: kafkaSaslMechanism, username: kafkaSaslUsername, password: kafkaSaslPassword };
}

function read(file: string): string {
  return readFileSync(file, 'utf8');
}
