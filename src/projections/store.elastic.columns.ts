import { ServiceError } from '../errors.js';
import { nameOf, type Incarnation } from '../event.js';
import type { Cluster } from './store.elastic.client.js';
import type { Indices } from './store.elastic.indices.js';

/**
 * Each is a field in the mapping of every index. A mapping for each path that any tenant ever sends
 * would make the state of the cluster grow without end, and a common limit would be used up by one.
 */
export const columnsMax = 256;

/** Of so many incarnations a node remembers the columns: 4 MB of ten short paths each. */
const rememberedMax = 5_000;

/** So many lists are read in one request. */
const readAtOnce = 500;

type Places = ReadonlyMap<string, number>;

/** How a column is called in a document, below `numbers`. */
export function columnName(place: number): string {
  return `c${place}`;
}

/**
 * The paths at which an incarnation has numbers, each with a place of its own: the column in which
 * its numbers stand. The list is a document of the cluster. It only ever grows at its end, so that
 * what a node remembers of it stays right.
 */
export class Columns {
  readonly #cluster: Cluster;
  readonly #indices: Indices;
  readonly #remembered = new Map<string, Places>();

  constructor(cluster: Cluster, indices: Indices) {
    this.#cluster = cluster;
    this.#indices = indices;
  }

  /** The places of paths, as far as this node knows. */
  async get(of: Incarnation): Promise<Places> {
    return this.#remembered.get(nameOf(of)) ?? this.#learn(of, (await this.#read(of)).columns);
  }

  /** Gives places to paths that have none: to those that come first, up to `columnsMax` in all. */
  async allocate(of: Incarnation, paths: ReadonlySet<string>): Promise<Places> {
    for (;;) {
      const known = await this.get(of);
      const missing = [...paths].filter((path) => !known.has(path));
      if (missing.length === 0 || known.size === columnsMax) {
        return known;
      }
      await this.#add(of, missing);
    }
  }

  /**
   * Where numbers at a path are: incarnations by their column; those that have none are left out.
   *
   * @throws ServiceError `query-too-costly` where there may be some that have no column.
   */
  async find(
    of: readonly Incarnation[],
    path: string,
  ): Promise<ReadonlyMap<number, readonly Incarnation[]>> {
    const found = new Map<number, Incarnation[]>();
    for (let first = 0; first < of.length; first += readAtOnce) {
      const some = of.slice(first, first + readAtOnce);
      for (const [at, columns] of (await this.#latest(some, path)).entries()) {
        const place = columns.get(path);
        if (place !== undefined) {
          found.set(place, [...(found.get(place) ?? []), some[at]!]);
        } else if (columns.size === columnsMax) {
          throw new ServiceError(
            'query-too-costly',
            `${some[at]!.id} has had numbers at ${columnsMax} paths before it had any at ${path}; ` +
              'of those at later paths nothing can be computed.',
          );
        }
      }
    }
    return found;
  }

  async drop(of: Incarnation): Promise<void> {
    this.#remembered.delete(nameOf(of));
    await this.#cluster.request({
      method: 'DELETE',
      path: [this.#indices.checkpoints, '_doc', columnsId(of)],
      expect: [404],
    });
  }

  /** Of two nodes that add at once, one is refused, and reads what the other has added. */
  async #add(of: Incarnation, missing: readonly string[]): Promise<void> {
    const { checkpoints } = this.#indices;
    await this.#indices.make(checkpoints);
    const { columns, version } = await this.#read(of);
    const added = missing.filter((path) => !columns.includes(path));
    const longer = [...columns, ...added].slice(0, columnsMax);
    if (longer.length > columns.length) {
      const { status } = await this.#cluster.request({
        method: 'PUT',
        path: [checkpoints, '_doc', columnsId(of)],
        query: { require_alias: 'true', ...version },
        body: { columns: longer },
        expect: [409],
      });
      if (status === 409) {
        return;
      }
    }
    this.#learn(of, longer);
  }

  /** The columns of each, read again where a path is not known to have one. */
  async #latest(of: readonly Incarnation[], path: string): Promise<readonly Places[]> {
    const known = of.map((each) => this.#remembered.get(nameOf(each)));
    const asked = of.filter((_, at) => !known[at]?.has(path));
    if (asked.length === 0) {
      return known as readonly Places[];
    }
    const { docs } = await this.#cluster.request<{
      docs: readonly { _source?: { columns: readonly string[] } }[];
    }>({
      method: 'POST',
      path: ['_mget'],
      query: { filter_path: 'docs._id,docs._source' },
      body: {
        docs: asked.map((each) => ({ _index: this.#indices.checkpoints, _id: columnsId(each) })),
      },
    });
    const learnt = new Map(
      asked.map((each, at) => [each, this.#learn(each, docs[at]?._source?.columns ?? [])]),
    );
    return of.map((each, at) => learnt.get(each) ?? known[at]!);
  }

  async #read(
    of: Incarnation,
  ): Promise<{ columns: readonly string[]; version: Readonly<Record<string, string>> }> {
    const { _source, _seq_no, _primary_term } = await this.#cluster.request<{
      _source?: { columns: readonly string[] };
      _seq_no?: number;
      _primary_term?: number;
    }>({
      method: 'GET',
      path: [this.#indices.checkpoints, '_doc', columnsId(of)],
      expect: [404],
    });
    return _source
      ? {
          columns: _source.columns,
          version: { if_seq_no: String(_seq_no), if_primary_term: String(_primary_term) },
        }
      : { columns: [], version: { op_type: 'create' } };
  }

  #learn(of: Incarnation, columns: readonly string[]): Places {
    const known = new Map(columns.map((path, place) => [path, place]));
    // What was learnt last is also what is forgotten last.
    this.#remembered.delete(nameOf(of));
    this.#remembered.set(nameOf(of), known);
    if (this.#remembered.size > rememberedMax) {
      const [oldest] = this.#remembered.keys();
      this.#remembered.delete(oldest!);
    }
    return known;
  }
}

/** No name of an incarnation has a number sign. */
function columnsId(of: Incarnation): string {
  return `${nameOf(of)}#columns`;
}
