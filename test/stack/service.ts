import { randomUUID } from 'node:crypto';
import { ELASTICSEARCH_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL } from './servers.js';

/**
 * The settings of nodes that belong together: the real servers, which have one broker and one node
 * of Elasticsearch, and topics and indices that no other test has.
 */
export function clusterSettings(): Record<string, string> {
  const prefix = `t${randomUUID().slice(0, 8)}`;
  return {
    KAFKA_BROKERS,
    KAFKA_TOPIC_PREFIX: `${prefix}.`,
    KAFKA_REPLICATION_FACTOR: '1',
    KAFKA_MIN_INSYNC_REPLICAS: '1',
    SCHEMA_REGISTRY_URL,
    ELASTICSEARCH_URL,
    ELASTICSEARCH_INDEX_PREFIX: prefix,
    ELASTICSEARCH_REPLICAS: '0',
  };
}
