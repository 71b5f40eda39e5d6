/**
 * Where the real servers are: `npm run test:stack` starts them and sets the variables. The defaults
 * are those of a stack that a developer keeps running.
 */
export const KAFKA_BROKERS = process.env.KAFKA_BROKERS ?? '127.0.0.1:19092';
export const ELASTICSEARCH_URL = process.env.ELASTICSEARCH_URL ?? 'http://127.0.0.1:19200';
export const SCHEMA_REGISTRY_URL =
  process.env.SCHEMA_REGISTRY_URL ?? 'http://127.0.0.1:18081/apis/ccompat/v7';
