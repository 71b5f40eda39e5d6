import type { Incarnation, Position, Recorded } from '../event.js';
import { EVERYTHING, translate } from '../queries/filter.elastic.js';
import { compile } from '../queries/filter.predicate.js';
import { pageBytesMax } from './limits.js';
import { BulkQueue } from './store.elastic.bulk.js';
import { Checkpoints } from './store.elastic.checkpoints.js';
import { Cluster, type ClusterOptions } from './store.elastic.client.js';
import { drop } from './store.elastic.drop.js';
import { Indices, type IndexOptions } from './store.elastic.indices.js';
import { hitsMax, walk } from './store.elastic.reader.js';
import { Writer } from './store.elastic.writer.js';
import type { EventStore, Outcome, Page, SearchQuery } from './store.js';

/** Of an event with its envelope: how many are asked for at once to fill a number of bytes. */
const eventBytesLikely = 512;

export interface ElasticOptions extends ClusterOptions, IndexOptions {
  /** Of one search, in milliseconds. */
  readonly searchMsMax: number;
}

/**
 * Opens the store that all nodes share. It asks the cluster for nothing until it has something to
 * do: a node starts, takes emits and delivers while Elasticsearch is away.
 */
export function openElasticStore(options: ElasticOptions): EventStore {
  return new ElasticStore(options);
}

class ElasticStore implements EventStore {
  /** Each batch is a segment after the next refresh. */
  readonly gatherMs = 100;
  readonly #cluster: Cluster;
  readonly #indices: Indices;
  readonly #checkpoints: Checkpoints;
  readonly #writer: Writer;
  readonly #searchMsMax: number;

  constructor(options: ElasticOptions) {
    this.#cluster = new Cluster(options);
    this.#indices = new Indices(this.#cluster, options);
    this.#checkpoints = new Checkpoints(this.#cluster, this.#indices);
    const queue = new BulkQueue(this.#cluster);
    this.#writer = new Writer(this.#cluster, this.#indices, this.#checkpoints, queue);
    this.#searchMsMax = options.searchMsMax;
  }

  write(of: Incarnation, records: readonly Recorded[]): Promise<readonly Outcome[]> {
    return this.#writer.write(of, records);
  }

  checkpoint(of: Incarnation): Promise<Position> {
    return this.#checkpoints.get(of);
  }

  /** Elasticsearch acknowledges what is on the disk of every copy. */
  settle(of: Incarnation): Promise<Position> {
    return this.#checkpoints.get(of);
  }

  advance(of: Incarnation, checkpoint: Position): Promise<void> {
    return this.#checkpoints.advance(of, checkpoint);
  }

  async search({ of, filter, limit, before }: SearchQuery): Promise<Page> {
    const { query, exact } = translate(filter);
    const matches = exact ? undefined : compile(filter);
    const records: Recorded[] = [];
    let bytes = 0;
    const found = walk(this.#cluster, this.#indices.events, {
      of,
      query,
      order: 'newest',
      after: -1,
      last: before - 1,
      hits: exact ? limit + 1 : hitsMax,
      msMax: this.#searchMsMax,
    });
    for await (const record of found) {
      if (matches && !matches(record)) {
        continue;
      }
      if (records.length === limit || bytes >= pageBytesMax) {
        return { records, next: records.at(-1)!.position };
      }
      records.push(record);
      bytes += record.bytes.byteLength;
    }
    return { records };
  }

  async scan(
    of: Incarnation,
    after: Position,
    until: Position,
    limitBytes: number,
  ): Promise<readonly Recorded[]> {
    const records: Recorded[] = [];
    let bytesLeft = limitBytes;
    const found = walk(this.#cluster, this.#indices.events, {
      of,
      query: EVERYTHING,
      order: 'oldest',
      after,
      last: until,
      hits: Math.ceil(limitBytes / eventBytesLikely),
      msMax: this.#searchMsMax,
    });
    for await (const record of found) {
      bytesLeft -= record.bytes.byteLength;
      if (bytesLeft >= 0 || records.length === 0) {
        records.push(record);
      }
      if (bytesLeft <= 0) {
        break;
      }
    }
    return records;
  }

  drop(of: Incarnation): Promise<void> {
    return drop(this.#cluster, this.#indices, of);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}
