import { nameOf, type Incarnation, type Position, type Recorded } from '../event.js';
import { EVERYTHING, translate } from '../queries/filter.elastic.js';
import { compile } from '../queries/filter.predicate.js';
import { pageBytesMax } from './limits.js';
import type { Loss } from './losses.js';
import { Aggregations } from './store.elastic.aggregate.js';
import { BulkQueue } from './store.elastic.bulk.js';
import { Checkpoints } from './store.elastic.checkpoints.js';
import { ColumnLists } from './store.elastic.columns.js';
import { Cluster, type ClusterOptions } from './store.elastic.client.js';
import { Indices, type IndexOptions } from './store.elastic.indices.js';
import { Losses } from './store.elastic.losses.js';
import { hitsMax, walk } from './store.elastic.reader.js';
import { remove } from './store.elastic.remove.js';
import { QueryTime } from './store.elastic.time.js';
import { Writer } from './store.elastic.writer.js';
import type {
  Aggregate,
  AggregateQuery,
  EventStore,
  Hit,
  Outcome,
  Page,
  SearchQuery,
} from './store.js';

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
  readonly #columns: ColumnLists;
  readonly #losses: Losses;
  readonly #aggregations: Aggregations;
  readonly #writer: Writer;
  readonly #searchMsMax: number;

  constructor(options: ElasticOptions) {
    this.#cluster = new Cluster(options);
    this.#indices = new Indices(this.#cluster, options);
    this.#checkpoints = new Checkpoints(this.#cluster, this.#indices);
    this.#columns = new ColumnLists(this.#cluster, this.#indices);
    this.#losses = new Losses(this.#cluster, this.#indices);
    const queue = new BulkQueue(this.#cluster);
    this.#writer = new Writer(
      this.#cluster,
      this.#indices,
      this.#checkpoints,
      this.#columns,
      queue,
    );
    this.#searchMsMax = options.searchMsMax;
    this.#aggregations = new Aggregations(
      this.#cluster,
      this.#indices.events,
      this.#columns,
      this.#searchMsMax,
    );
  }

  write(of: Incarnation, records: readonly Recorded[]): Promise<readonly Outcome[]> {
    return this.#writer.write(of, records);
  }

  checkpoint(of: Incarnation, ageMsMax = 0): Promise<Position> {
    return this.#checkpoints.get(of, ageMsMax);
  }

  /** Elasticsearch acknowledges what is on the disk of every copy. */
  settle(of: Incarnation): Promise<Position> {
    return this.#checkpoints.get(of, 0);
  }

  advance(of: Incarnation, checkpoint: Position): Promise<void> {
    return this.#checkpoints.advance(of, checkpoint);
  }

  async search({ filter, limit, after, ...query }: SearchQuery): Promise<Page> {
    const { query: translated, exact } = translate(filter);
    const matches = exact ? undefined : compile(filter);
    const hits: Hit[] = [];
    let bytes = 0;
    let more = false;
    const found = walk(this.#cluster, this.#indices.events, {
      ...query,
      query: translated,
      after,
      hits: exact ? limit + 1 : hitsMax,
      time: new QueryTime(this.#searchMsMax),
      // What is full is an answer, though nobody knows whether there is more behind it.
      isEnough: () => (more = hits.length === limit),
    });
    for await (const run of found) {
      for (const hit of run) {
        if (matches && !matches(hit.record)) {
          continue;
        }
        if (hits.length === limit || bytes >= pageBytesMax) {
          return { hits, more: true };
        }
        hits.push(hit);
        bytes += hit.record.bytes.byteLength;
      }
    }
    return { hits, more };
  }

  async aggregate(query: AggregateQuery): Promise<Aggregate> {
    await this.#indices.check();
    return this.#aggregations.run(query);
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
      of: [of],
      query: EVERYTHING,
      sort: 'position',
      order: 'oldest',
      after: { time: 0, of: nameOf(of), position: after },
      last: until,
      hits: Math.ceil(limitBytes / eventBytesLikely),
      time: new QueryTime(this.#searchMsMax),
    });
    for await (const run of found) {
      for (const { record } of run) {
        bytesLeft -= record.bytes.byteLength;
        if (bytesLeft >= 0 || records.length === 0) {
          records.push(record);
        }
        if (bytesLeft <= 0) {
          return records;
        }
      }
    }
    return records;
  }

  losses(of: Incarnation): Promise<readonly Loss[]> {
    return this.#losses.get(of);
  }

  async lose(of: Incarnation, losses: readonly Loss[]): Promise<void> {
    if (losses.length > 0) {
      await this.#losses.add(of, losses);
    }
  }

  trimmed(of: Incarnation): Promise<Position> {
    return this.#checkpoints.trimmed(of);
  }

  async *trim(of: Incarnation, upTo: Position): AsyncGenerator<number> {
    await this.#checkpoints.trim(of, upTo);
    yield* remove(this.#cluster, this.#indices.events, of, upTo);
  }

  async drop(of: Incarnation): Promise<void> {
    await this.#checkpoints.drop(of);
    await this.#columns.drop(of);
    await this.#losses.drop(of);
    const removal = remove(this.#cluster, this.#indices.events, of, Infinity);
    let step: IteratorResult<number>;
    do {
      step = await removal.next();
    } while (!step.done);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}
