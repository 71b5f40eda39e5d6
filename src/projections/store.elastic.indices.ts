/** The indices of the store: one for each month, and two for what is known of workspaces. */
import { readFileSync } from 'node:fs';
import { ServiceError } from '../errors.js';
import type { JsonObject } from '../event.js';
import type { Cluster } from './store.elastic.client.js';

export interface IndexOptions {
  /** What all names begin with: `events` for `events-2026.11`. */
  readonly prefix: string;
  readonly shards: number;
  readonly replicas: number;
}

interface Layout {
  readonly settings: JsonObject;
  readonly mappings: JsonObject & { readonly _meta: { readonly layout: number } };
}

type Layouts = Readonly<Record<'events' | 'checkpoints' | 'workspaces', Layout>>;

/**
 * All names are aliases: `events-2026.11` of the index `events-2026.11-000001`. Writes require
 * them, so that an index that was deleted is made again by `make`, or not at all: an index that
 * Elasticsearch makes by itself would guess its mapping and find what no filter asks for. And an
 * operator can put another index in the place of one.
 */
export class Indices {
  /** The alias of the events of all months. */
  readonly events: string;
  readonly checkpoints: string;
  /** What else there is to know of each incarnation. A checkpoint can be made anew, this cannot. */
  readonly workspaces: string;
  readonly #cluster: Cluster;
  readonly #options: IndexOptions;
  readonly #layouts: Layouts;
  readonly #made = new Map<string, Promise<void>>();

  constructor(cluster: Cluster, options: IndexOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.events = options.prefix;
    this.checkpoints = `${options.prefix}-checkpoints`;
    this.workspaces = `${options.prefix}-workspaces`;
    const file = new URL('../../../schemas/elasticsearch.json', import.meta.url);
    this.#layouts = JSON.parse(readFileSync(file, 'utf8')) as Layouts;
  }

  /** The alias of the month of a time in epoch milliseconds. */
  monthOf(time: number): string {
    const date = new Date(time);
    const month = String(date.getUTCMonth() + 1).padStart(2, '0');
    return `${this.events}-${date.getUTCFullYear()}.${month}`;
  }

  /** Makes an index unless it is known to be there. */
  make(name: string): Promise<void> {
    return this.#once(name, () => this.#make(name));
  }

  /**
   * Writes a document into an index that was made, as its version says; false where another node
   * was faster.
   */
  async put(
    name: string,
    id: string,
    version: Readonly<Record<string, string>>,
    body: JsonObject,
  ): Promise<boolean> {
    const { status } = await this.#cluster.request({
      method: 'PUT',
      path: [name, '_doc', id],
      query: { require_alias: 'true', ...version },
      body,
      expect: [404, 409],
    });
    if (status === 404) {
      this.forget(name);
      throw new ServiceError('unavailable', `${name} was deleted; it is made again.`);
    }
    return status !== 409;
  }

  /** @throws ServiceError `unavailable` when there is a month of another layout. */
  check(): Promise<void> {
    return this.#once(this.events, async () => {
      await this.#isThere(this.events, this.#layouts.events.mappings._meta.layout);
    });
  }

  #once(name: string, work: () => Promise<void>): Promise<void> {
    let done = this.#made.get(name);
    if (!done) {
      done = work();
      this.#made.set(name, done);
      done.catch(() => {
        this.forget(name);
      });
    }
    return done;
  }

  /** It was deleted, or could not be made. */
  forget(name: string): void {
    this.#made.delete(name);
  }

  async #make(name: string): Promise<void> {
    const others = new Map([
      [this.checkpoints, this.#layouts.checkpoints],
      [this.workspaces, this.#layouts.workspaces],
    ]);
    const isEvents = !others.has(name);
    const { settings, mappings } = others.get(name) ?? this.#layouts.events;
    if (await this.#isThere(name, mappings._meta.layout)) {
      return;
    }
    const index = `${name}-000001`;
    const { shards, replicas } = this.#options;
    const { error } = await this.#cluster.request<{ error?: { type: string; reason: string } }>({
      method: 'PUT',
      path: [index],
      body: {
        settings: { ...settings, number_of_shards: shards, number_of_replicas: replicas },
        mappings,
      },
      expect: [400],
    });
    // Another node may have been faster, or have died half-way.
    if (error && error.type !== 'resource_already_exists_exception') {
      throw new ServiceError('unavailable', `${name} cannot be made: ${error.reason}`);
    }
    await this.#isThere(index, mappings._meta.layout);
    // Readers come by the alias, and an index fails them until its shards have started: of all
    // months they would get no answer. A refresh waits for that.
    await this.#cluster.refresh(index);
    const aliases = isEvents ? [name, this.events] : [name];
    const actions = [{ add: { index, aliases } }];
    await this.#cluster.request({ method: 'POST', path: ['_aliases'], body: { actions } });
  }

  /** An index of another layout would answer wrongly rather than fail. */
  async #isThere(name: string, layout: number): Promise<boolean> {
    const { status, ...indices } = await this.#cluster.request<
      Record<string, { mappings: { _meta?: { layout?: number } } }>
    >({
      method: 'GET',
      path: [name, '_mapping'],
      expect: [404],
    });
    if (status === 404) {
      return false;
    }
    for (const [index, { mappings }] of Object.entries(indices)) {
      if (mappings._meta?.layout !== layout) {
        throw new ServiceError(
          'unavailable',
          `${index} has layout ${String(mappings._meta?.layout)}, this release reads ${layout}: ` +
            'start the release that wrote it, or set another prefix and have all projected anew.',
        );
      }
    }
    return true;
  }
}
