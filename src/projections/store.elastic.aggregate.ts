/** Aggregations: by Elasticsearch as far as it can, else here, event by event. */
import { translate } from '../queries/filter.elastic.js';
import { compile } from '../queries/filter.predicate.js';
import { Aggregation } from './aggregation.js';
import type { Cluster } from './store.elastic.client.js';
import type { ColumnLists } from './store.elastic.columns.js';
import { reckon } from './store.elastic.groups.js';
import { reckoningOf, type Reckoning } from './store.elastic.metrics.js';
import { hitsMax, walk } from './store.elastic.reader.js';
import { ask, type Search } from './store.elastic.search.js';
import { QueryTime } from './store.elastic.time.js';
import { isNameOfValues, spreadMin } from './store.elastic.values.js';
import type { Aggregate, AggregateQuery, Grouping } from './store.js';

/**
 * How many values one event may have at a path, by the number of groupings by terms: 1,000 groups
 * of one event at most. Elasticsearch looks at the time between two events at best: one with 300
 * values at each of three fields took it 32 s and 600 MB.
 */
const valuesMax = [Infinity, Infinity, 31, spreadMin] as const;

type Matches = Omit<Search, 'body'>;

export class Aggregations {
  readonly #cluster: Cluster;
  /** The alias of all events. */
  readonly #index: string;
  readonly #columns: ColumnLists;
  readonly #msMax: number;

  /** @param msMax For one of them, in milliseconds. */
  constructor(cluster: Cluster, index: string, columns: ColumnLists, msMax: number) {
    this.#cluster = cluster;
    this.#index = index;
    this.#columns = columns;
    this.#msMax = msMax;
  }

  /** @throws ServiceError `query-too-costly`, or `unavailable` when it takes too long. */
  async run(asked: AggregateQuery): Promise<Aggregate> {
    const { of, filter, last, groupBy, signal } = asked;
    const { query, exact } = translate(filter);
    const matches = {
      of,
      query,
      positions: last === Infinity ? {} : { lte: last },
      time: new QueryTime(this.#msMax),
      ...(signal && { signal }),
    };
    const reckonings = exact ? await this.#reckonings(asked) : undefined;
    return reckonings && !(await this.#isWide(groupBy, matches))
      ? reckon(this.#cluster, this.#index, { groupBy, reckonings, matches })
      : this.#walk(asked, matches);
  }

  /** How Elasticsearch works out all that is asked for; `undefined` where it cannot. */
  async #reckonings({
    of,
    groupBy,
    metrics,
  }: AggregateQuery): Promise<readonly Reckoning[] | undefined> {
    if (!groupBy.every(({ field }) => isNameOfValues(field))) {
      return undefined;
    }
    const all = await Promise.all(
      metrics.map((metric, at) =>
        reckoningOf(metric, String(at), groupBy.length > 0, of, this.#columns),
      ),
    );
    const found = all.filter((reckoning) => reckoning !== undefined);
    return found.length === all.length ? found : undefined;
  }

  /** Whether one of the events may be in too many groups by itself. */
  async #isWide(groupBy: readonly Grouping[], matches: Matches): Promise<boolean> {
    const most = valuesMax[groupBy.filter(({ by }) => by === 'terms').length] ?? spreadMin;
    if (most === Infinity) {
      return false;
    }
    const wide = { range: { spread: { gt: most } } };
    const answer = await ask<{ readonly hits: { readonly hits: readonly unknown[] } }>(
      this.#cluster,
      this.#index,
      {
        ...matches,
        query: { bool: { filter: [matches.query, wide] } },
        body: { size: 1, _source: false, track_total_hits: false, terminate_after: 1 },
      },
    );
    if (!answer) {
      throw matches.time.tookTooLong();
    }
    return answer.hits.hits.length > 0;
  }

  /** What Elasticsearch cannot work out is worked out here, if there is time enough. */
  async #walk(asked: AggregateQuery, { query, time }: Matches): Promise<Aggregate> {
    const matches = compile(asked.filter);
    const aggregation = new Aggregation(asked);
    const found = walk(this.#cluster, this.#index, {
      ...asked,
      query,
      sort: asked.of.length === 1 ? 'position' : 'time',
      order: 'newest',
      after: undefined,
      hits: hitsMax,
      time,
    });
    for await (const run of found) {
      for (const { record } of run) {
        if (matches(record)) {
          aggregation.add(record);
        }
      }
    }
    return aggregation.result();
  }
}
