import { ServiceError } from '../errors.js';
import { nameOf, type Incarnation } from '../event.js';
import { withLosses, type Loss } from './losses.js';
import type { Cluster } from './store.elastic.client.js';
import type { Indices } from './store.elastic.indices.js';

interface Kept {
  readonly _source?: { readonly losses: readonly Loss[] };
  readonly _seq_no?: number;
  readonly _primary_term?: number;
}

/** The losses of each incarnation: one document among what else there is to know of it. */
export class Losses {
  readonly #cluster: Cluster;
  readonly #indices: Indices;

  constructor(cluster: Cluster, indices: Indices) {
    this.#cluster = cluster;
    this.#indices = indices;
  }

  async get(of: Incarnation): Promise<readonly Loss[]> {
    return (await this.#read(of))._source?.losses ?? [];
  }

  /** @throws ServiceError `unavailable` also where another node has added some meanwhile. */
  async add(of: Incarnation, losses: readonly Loss[]): Promise<void> {
    const { workspaces } = this.#indices;
    const { _source, _seq_no, _primary_term } = await this.#read(of);
    const version: Record<string, string> = _source
      ? { if_seq_no: String(_seq_no), if_primary_term: String(_primary_term) }
      : { op_type: 'create' };
    const all = withLosses(_source?.losses ?? [], losses);
    const body = { losses: all.map(({ after, before }) => ({ after, before })) };
    await this.#indices.make(workspaces);
    // Earlier releases have made it without.
    await this.#cluster.request({
      method: 'PUT',
      path: [workspaces, '_mapping'],
      body: { properties: { losses: { type: 'object', enabled: false } } },
      expect: [404],
    });
    if (!(await this.#indices.put(workspaces, idOf(of), version, body))) {
      throw new ServiceError('unavailable', 'Another node tells of losses as well; try again.');
    }
  }

  drop(of: Incarnation): Promise<void> {
    return this.#cluster.delete(this.#indices.workspaces, idOf(of));
  }

  #read(of: Incarnation): Promise<Kept> {
    return this.#cluster.request<Kept>({
      method: 'GET',
      path: [this.#indices.workspaces, '_doc', idOf(of)],
      expect: [404],
    });
  }
}

/** No name of an incarnation has a number sign. */
function idOf(of: Incarnation): string {
  return `${nameOf(of)}#losses`;
}
