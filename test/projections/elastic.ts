import { randomUUID } from 'node:crypto';
import { Client } from '@elastic/elasticsearch';
import { openElasticStore, type ElasticOptions } from '../../src/projections/store.elastic.js';
import type { EventStore } from '../../src/projections/store.js';
import { ELASTICSEARCH_URL } from '../stack/servers.js';

/** A prefix that no other test has. */
export function newPrefix(): string {
  return `test-${randomUUID()}`;
}

export function openStore(prefix: string, options: Partial<ElasticOptions> = {}): EventStore {
  return openElasticStore({
    nodes: [ELASTICSEARCH_URL],
    prefix,
    shards: 2,
    replicas: 0,
    searchMsMax: 30_000,
    ...options,
  });
}

/** Opens the stores of two nodes for the tests of a suite, on indices of their own. */
export function withTwoStores(
  opened: (store: EventStore, other: EventStore, prefix: string) => void,
): void {
  const prefix = newPrefix();
  const stores = [openStore(prefix), openStore(prefix)] as const;

  before(() => {
    opened(...stores, prefix);
  });

  after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await removeIndices(prefix);
  });
}

/** Looks into the cluster behind the store, or disturbs it. */
export const elasticsearch = new Client({ node: ELASTICSEARCH_URL });

/** Deletes all indices of a prefix; by their names, as a cluster may refuse patterns. */
export async function removeIndices(prefix: string): Promise<void> {
  const indices = await elasticsearch.indices.get({ index: `${prefix}*`, features: ['aliases'] });
  for (const index of Object.keys(indices)) {
    await elasticsearch.indices.delete({ index });
  }
}
