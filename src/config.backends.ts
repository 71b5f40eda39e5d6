import type { Config } from './config.js';
import {
  flag,
  hosts,
  indexPrefix,
  number,
  oneOf,
  text,
  topicPrefix,
  urls,
  type Setting,
} from './config.kinds.js';

function name(env: string, why: string): Setting<string> {
  return { env, default: '', kind: text, allowed: 'text', why };
}

function secret(env: string, why: string): Setting<string> {
  return { ...name(env, why), secret: true };
}

function file(env: string, why: string): Setting<string> {
  return { ...name(env, why), allowed: 'a file' };
}

/** Where URLs are refused for the credentials in them, these are not to be seen in the message. */
function servers(env: string, why: string): Setting<readonly string[]> {
  const allowed = 'http(s) URLs without credentials, separated by commas';
  return { env, default: [], kind: urls, allowed, why, secret: true };
}

const MECHANISMS = ['', 'plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type Mechanism = Exclude<(typeof MECHANISMS)[number], ''>;

/** The settings of the servers that a node may use in place of what is embedded. */
export const BACK_ENDS = {
  kafkaBrokers: {
    env: 'KAFKA_BROKERS',
    default: [],
    kind: hosts,
    allowed: 'host:port, separated by commas',
    why: 'Set, the log is on Kafka; otherwise it is embedded.',
  } satisfies Setting<readonly string[]>,
  kafkaTopicPrefix: {
    env: 'KAFKA_TOPIC_PREFIX',
    default: 'events.',
    kind: topicPrefix,
    allowed: 'up to 100 letters, digits, ., _ and -',
    why: 'Begins the names of the topics, one for each workspace, and of the consumer group.',
  } satisfies Setting<string>,
  kafkaReplicationFactor: number(
    'KAFKA_REPLICATION_FACTOR',
    3,
    1,
    32,
    'Copies of each topic that is made; 1 where there is one broker.',
  ),
  kafkaMinInsyncReplicas: number(
    'KAFKA_MIN_INSYNC_REPLICAS',
    2,
    1,
    32,
    'Copies that must have an event before it is acknowledged; 1 where there is one broker.',
  ),
  kafkaRetentionHours: number(
    'KAFKA_RETENTION_HOURS',
    168,
    0,
    876_000,
    'How long the log on Kafka keeps the events of a workspace that does not say; 0 for ever.',
  ),
  kafkaWaitSeconds: number(
    'KAFKA_WAIT_SECONDS',
    10,
    1,
    600,
    'How long a call waits for Kafka before it is answered with 503.',
  ),
  kafkaTls: {
    env: 'KAFKA_TLS',
    default: false,
    kind: flag,
    allowed: 'true, false',
    why: 'Whether to talk TLS with Kafka.',
  } satisfies Setting<boolean>,
  kafkaTlsCaFile: file('KAFKA_TLS_CA_FILE', 'Certificates to trust, in place of the usual ones.'),
  kafkaTlsCertFile: file('KAFKA_TLS_CERT_FILE', 'The certificate of the service, for mutual TLS.'),
  kafkaTlsKeyFile: file('KAFKA_TLS_KEY_FILE', 'Its private key.'),
  kafkaSaslMechanism: {
    env: 'KAFKA_SASL_MECHANISM',
    default: '',
    kind: oneOf(...MECHANISMS),
    allowed: MECHANISMS.slice(1).join(', '),
    why: 'How to authenticate with Kafka.',
  } satisfies Setting<Mechanism | ''>,
  kafkaSaslUsername: name('KAFKA_SASL_USERNAME', 'Who the service is for Kafka.'),
  kafkaSaslPassword: secret('KAFKA_SASL_PASSWORD', 'Its password there.'),
  schemaRegistryUrl: servers(
    'SCHEMA_REGISTRY_URL',
    'A Confluent-compatible registry; set, each record on Kafka carries the id of its schema.',
  ),
  schemaRegistryUsername: name('SCHEMA_REGISTRY_USERNAME', 'Who the service is for the registry.'),
  schemaRegistryPassword: secret('SCHEMA_REGISTRY_PASSWORD', 'Its password for the registry.'),
  elasticsearchUrl: servers(
    'ELASTICSEARCH_URL',
    'Set, the history is in Elasticsearch; otherwise it is embedded.',
  ),
  elasticsearchApiKey: secret('ELASTICSEARCH_API_KEY', 'To authenticate with Elasticsearch.'),
  elasticsearchUsername: name('ELASTICSEARCH_USERNAME', 'The same, where there is no API key.'),
  elasticsearchPassword: secret('ELASTICSEARCH_PASSWORD', 'The password for Elasticsearch.'),
  elasticsearchCaFile: file(
    'ELASTICSEARCH_CA_FILE',
    'Certificates to trust there, in place of the usual ones.',
  ),
  elasticsearchIndexPrefix: {
    env: 'ELASTICSEARCH_INDEX_PREFIX',
    default: 'events',
    kind: indexPrefix,
    allowed: 'up to 101 lower case letters, digits, ., _ and -',
    why: 'Begins the names of the indices, one for each month.',
  } satisfies Setting<string>,
  elasticsearchShards: number(
    'ELASTICSEARCH_SHARDS',
    1,
    1,
    1024,
    'Shards of each index that is made; a workspace is in one of them.',
  ),
  elasticsearchReplicas: number(
    'ELASTICSEARCH_REPLICAS',
    1,
    0,
    32,
    'Further copies of each; 0 where there is one node.',
  ),
} as const;

/** What is wrong with settings that are each allowed by themselves. */
export function backEndFaults(config: Config): string[] {
  const faults: string[] = [];
  const refuse = (wrong: boolean, fault: string): void => {
    if (wrong) {
      faults.push(fault);
    }
  };
  const isShared = config.kafkaBrokers.length > 0 && config.elasticsearchUrl.length > 0;
  refuse(
    !isShared && config.roles.length < 2,
    'ROLES can be divided where KAFKA_BROKERS and ELASTICSEARCH_URL are set: what is embedded is ' +
      'for one node alone',
  );
  const isSet = config.kafkaSaslMechanism !== '';
  refuse(
    isSet !== (config.kafkaSaslUsername !== '' && config.kafkaSaslPassword !== ''),
    'KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD go together',
  );
  refuse(
    (config.kafkaTlsCertFile === '') !== (config.kafkaTlsKeyFile === ''),
    'KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE go together',
  );
  refuse(
    !config.kafkaTls && (config.kafkaTlsCaFile !== '' || config.kafkaTlsCertFile !== ''),
    'KAFKA_TLS_CA_FILE and KAFKA_TLS_CERT_FILE need KAFKA_TLS=true',
  );
  refuse(
    config.kafkaMinInsyncReplicas > config.kafkaReplicationFactor,
    'KAFKA_MIN_INSYNC_REPLICAS is more than KAFKA_REPLICATION_FACTOR: no event could be written',
  );
  refuse(
    (config.elasticsearchUsername === '') !== (config.elasticsearchPassword === ''),
    'ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD go together',
  );
  refuse(
    config.elasticsearchApiKey !== '' && config.elasticsearchUsername !== '',
    'ELASTICSEARCH_API_KEY and ELASTICSEARCH_USERNAME exclude each other',
  );
  refuse(
    config.schemaRegistryUrl.length > 1,
    'SCHEMA_REGISTRY_URL is one URL, of a registry or of what stands before several',
  );
  return faults;
}
