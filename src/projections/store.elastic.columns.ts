import { Bounded } from '../bounded.js';
import { ServiceError } from '../errors.js';
import { nameOf, type Incarnation, type JsonObject } from '../event.js';
import type { Cluster } from './store.elastic.client.js';
import type { Indices } from './store.elastic.indices.js';
import { ask } from './store.elastic.search.js';
import { QueryTime } from './store.elastic.time.js';
import { says, sortable, token } from './tokens.elastic.js';

/**
 * Each is a field in the mapping of every index. A mapping for each path that any tenant ever sends
 * would make the state of the cluster grow without end, and a common limit would be used up by one.
 */
export const columnsMax = 256;

/** Of so many incarnations a node remembers the columns: 4 MB of ten short paths each. */
const rememberedMax = 5_000;

/** So many lists are read in one request. */
const readAtOnce = 500;

/** One event is found at once; this is for a cluster that has much else to do. */
const findMsMax = 30_000;

/** The column of each path. */
type Columns = ReadonlyMap<string, number>;

/** The columns of an incarnation, as they are kept, and of which version of the document. */
interface Kept {
  readonly columns: Columns;
  readonly version: Readonly<Record<string, string>>;
}

/** How a column is called in a document, below `numbers`. */
export function columnName(column: number): string {
  return `c${column}`;
}

/**
 * The paths at which an incarnation has numbers, each with a column of its own, in which its
 * numbers stand. The list is a document of the cluster. A path never leaves it, so that what a node
 * remembers stays right. Also each event tells of its own columns: what a list lacks that was
 * restored from an earlier time, or was lost, is learnt from the events again.
 */
export class ColumnLists {
  readonly #cluster: Cluster;
  readonly #indices: Indices;
  readonly #remembered = new Bounded<string, Columns>(rememberedMax);

  constructor(cluster: Cluster, indices: Indices) {
    this.#cluster = cluster;
    this.#indices = indices;
  }

  /** The columns of an incarnation, as far as this node knows. */
  async get(of: Incarnation): Promise<Columns> {
    return this.#remembered.get(nameOf(of)) ?? this.#learn(of, (await this.#read([of]))[0]!);
  }

  /** Gives columns to paths that have none: to those that come first, `columnsMax` in all. */
  async allocate(of: Incarnation, paths: ReadonlySet<string>): Promise<Columns> {
    for (;;) {
      const known = await this.get(of);
      const missing = [...paths].filter((path) => !known.has(path));
      if (missing.length === 0 || nextOf(known) === columnsMax) {
        return known;
      }
      await this.#add(of, missing);
    }
  }

  /**
   * Where numbers at a path are: incarnations by their column; those that have none are left out.
   *
   * @throws ServiceError `query-too-costly` where there are some that have no column.
   */
  async find(
    of: readonly Incarnation[],
    path: string,
  ): Promise<ReadonlyMap<number, readonly Incarnation[]>> {
    const found = new Map<number, Incarnation[]>();
    for (let first = 0; first < of.length; first += readAtOnce) {
      for (const [each, column] of await this.#columnsAt(
        of.slice(first, first + readAtOnce),
        path,
      )) {
        found.set(column, [...(found.get(column) ?? []), each]);
      }
    }
    return found;
  }

  async drop(of: Incarnation): Promise<void> {
    this.#remembered.delete(nameOf(of));
    await this.#cluster.delete(this.#indices.workspaces, listId(of));
  }

  /** The column of a path in each that has numbers there. */
  async #columnsAt(
    of: readonly Incarnation[],
    path: string,
  ): Promise<readonly (readonly [Incarnation, number])[]> {
    for (;;) {
      const lists = await this.#latest(of, path);
      const lacking = of.filter((_, at) => !lists[at]!.has(path));
      const event = await this.#someEvent(lacking, hasNumbersAt(path));
      if (!event) {
        return of.flatMap((each, at) => {
          const column = lists[at]!.get(path);
          return column === undefined ? [] : [[each, column] as const];
        });
      }
      if (!event.columns.has(path)) {
        throw new ServiceError(
          'query-too-costly',
          `${event.of.id} has had numbers at ${columnsMax} paths before it had any at ${path}; ` +
            'of those at later paths nothing can be computed.',
        );
      }
      await this.#write(event.of, (await this.#read([event.of]))[0]!, event.columns);
    }
  }

  /** The lists, read again where they are not known to have a path. */
  async #latest(of: readonly Incarnation[], path: string): Promise<readonly Columns[]> {
    const known = of.map((each) => this.#remembered.get(nameOf(each)));
    const asked = of.filter((_, at) => !known[at]?.has(path));
    const read = await this.#read(asked);
    const learnt = new Map(asked.map((each, at) => [each, this.#learn(each, read[at]!)]));
    return of.map((each, at) => learnt.get(each) ?? known[at]!);
  }

  async #add(of: Incarnation, missing: readonly string[]): Promise<void> {
    const kept = (await this.#read([of]))[0]!;
    const next = nextOf(kept.columns);
    const free = Array.from({ length: columnsMax - next }, (_, at) => columnName(next + at));
    const inOne = free.map((column) => ({ exists: { field: `numbers.${column}` } }));
    const event = await this.#someEvent([of], { bool: { should: inOne, minimum_should_match: 1 } });
    const added = missing.filter((path) => !kept.columns.has(path)).slice(0, free.length);
    // A column that an event has already is not given away: its path comes first.
    const more = event?.columns ?? new Map(added.map((path, at) => [path, next + at]));
    await this.#write(of, kept, more);
  }

  /** Of two nodes that write at once, one is refused, and has to read what the other has added. */
  async #write(of: Incarnation, { columns, version }: Kept, more: Columns): Promise<void> {
    const { workspaces } = this.#indices;
    const all = new Map([...columns, ...more]);
    if (all.size > columns.size) {
      await this.#indices.make(workspaces);
      const body = { columns: Object.fromEntries(all) };
      if (!(await this.#indices.put(workspaces, listId(of), version, body))) {
        return;
      }
    }
    this.#learn(of, { columns: all, version });
  }

  async #read(of: readonly Incarnation[]): Promise<readonly Kept[]> {
    if (of.length === 0) {
      return [];
    }
    const docs = await this.#cluster.get<{
      readonly _seq_no?: number;
      readonly _primary_term?: number;
      readonly _source?: { readonly columns: Readonly<Record<string, number>> };
    }>(
      of.map((each) => ({ _index: this.#indices.workspaces, _id: listId(each) })),
      ['_seq_no', '_primary_term', '_source'],
    );
    return docs.map(({ _source, _seq_no, _primary_term }) =>
      _source
        ? {
            columns: new Map(Object.entries(_source.columns)),
            version: { if_seq_no: String(_seq_no), if_primary_term: String(_primary_term) },
          }
        : { columns: new Map(), version: { op_type: 'create' } },
    );
  }

  /** One of the events of incarnations that a query finds, if there is any. */
  async #someEvent(
    of: readonly Incarnation[],
    query: JsonObject,
  ): Promise<{ readonly of: Incarnation; readonly columns: Columns } | undefined> {
    if (of.length === 0) {
      return undefined;
    }
    const answer = await ask<{
      readonly hits: {
        readonly hits: readonly {
          readonly _source: { readonly of: string; readonly columns: Record<string, number> };
        }[];
      };
    }>(this.#cluster, this.#indices.events, {
      of,
      query,
      positions: {},
      body: { size: 1, _source: ['of', 'columns'], track_total_hits: false, terminate_after: 1 },
      time: new QueryTime(findMsMax),
    });
    if (!answer) {
      throw new ServiceError('unavailable', 'Elasticsearch did not find in time what has numbers.');
    }
    const found = answer.hits.hits[0]?._source;
    return (
      found && {
        of: of.find((each) => nameOf(each) === found.of)!,
        columns: new Map(Object.entries(found.columns)),
      }
    );
  }

  #learn(of: Incarnation, { columns }: Kept): Columns {
    this.#remembered.set(nameOf(of), columns);
    return columns;
  }
}

/** Finite ones: others have no column. */
function hasNumbersAt(path: string): JsonObject {
  const [gte, lte] = [-Number.MAX_VALUE, Number.MAX_VALUE].map((number) =>
    token(says.number, path, sortable(number)),
  );
  return { range: { tokens: { gte: gte!, lte: lte! } } };
}

/** The first column behind those that are taken. */
function nextOf(columns: Columns): number {
  return Math.max(-1, ...columns.values()) + 1;
}

/** No name of an incarnation has a number sign. */
function listId(of: Incarnation): string {
  return `${nameOf(of)}#columns`;
}
