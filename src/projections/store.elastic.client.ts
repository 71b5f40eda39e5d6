/** The client of Elasticsearch: what it answers as values, what it fails with as this service's. */
import { Client, errors } from '@elastic/elasticsearch';
import { ServiceError } from '../errors.js';
import type { JsonObject } from '../event.js';

export interface ClusterOptions {
  /** One or more nodes of one cluster. */
  readonly nodes: readonly string[];
  readonly auth?:
    { readonly apiKey: string } | { readonly username: string; readonly password: string };
  /** The certificates, PEM, of who signed those of the nodes, where that is no public authority. */
  readonly ca?: string;
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** The segments of the path, not yet encoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  /** Statuses that are answers too, beside those of success. */
  readonly expect?: readonly number[];
  readonly msMax?: number;
  /** Aborts when nobody waits for the answer any more: Elasticsearch gives the work up as well. */
  readonly signal?: AbortSignal;
}

/** What became of one operation, as its HTTP status: 0 when no node could be asked. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** The index that it came to; what it named as that where it came to none. */
  readonly index?: string;
}

/** A node that has not answered by then has died, or hangs. */
const requestMsMax = 60_000;

/** So often another node is asked when one cannot be reached. */
const retriesMax = 2;

/** Of what Elasticsearch says of a document it quotes, with all that is in it. */
const reasonLengthMax = 300;

interface Failure {
  readonly type: string;
  readonly reason: string;
}

interface BulkItem {
  readonly _index: string;
  readonly status: number;
  readonly error?: Failure;
}

export class Cluster {
  readonly #client: Client;

  constructor({ nodes, auth, ca }: ClusterOptions) {
    this.#client = new Client({
      nodes: [...nodes],
      ...(auth && { auth }),
      ...(ca !== undefined && { tls: { ca } }),
      maxRetries: retriesMax,
      requestTimeout: requestMsMax,
      // The network to one's own store is faster than gzip.
      compression: false,
      // What it answers is read by field and merged into nothing, so no `__proto__` is looked for.
      disablePrototypePoisoningProtection: true,
    });
  }

  /**
   * @throws ServiceError `unavailable`, or `limit-exceeded` when there is too much to do; the
   *   reason of the signal when that aborts.
   */
  async request<T>(request: Request): Promise<T & { readonly status: number }> {
    const { method, path, query, body, expect = [], msMax = requestMsMax, signal } = request;
    signal?.throwIfAborted();
    try {
      const answer = await this.#client.transport.request<T>(
        {
          method,
          path: `/${path.map(encodeURIComponent).join('/')}`,
          ...(query && { querystring: query }),
          ...(body && { body }),
        },
        {
          meta: true,
          ignore: [...expect],
          requestTimeout: msMax,
          ...(signal && { signal }),
          // The library would wait some seconds where no node can be reached. Who asks is told at
          // once, and knows better when to ask again.
          retryBackoff: () => 0,
        },
      );
      return { ...answer.body, status: answer.statusCode };
    } catch (error) {
      signal?.throwIfAborted();
      throw serviceError(error);
    }
  }

  /**
   * Gets documents: one answer for each, in order, with these of its fields.
   *
   * @throws ServiceError `unavailable` when it is not known of each whether it is there.
   */
  async get<T>(docs: readonly JsonObject[], fields: readonly string[]): Promise<readonly T[]> {
    const answer = await this.request<{ docs: readonly (T & { readonly error?: Failure })[] }>({
      method: 'POST',
      path: ['_mget'],
      query: { filter_path: ['_id', 'error', ...fields].map((name) => `docs.${name}`).join() },
      body: { docs: [...docs] },
    });
    // Before the first document there is no index. All else is no sign that there is none.
    const failed = answer.docs.find(
      ({ error }) => error && error.type !== 'index_not_found_exception',
    );
    if (failed) {
      const { reason } = failed.error!;
      throw new ServiceError('unavailable', `Elasticsearch does not tell what is there: ${reason}`);
    }
    return answer.docs;
  }

  /** Deletes a document, if it is there. */
  async delete(index: string, id: string): Promise<void> {
    await this.request({ method: 'DELETE', path: [index, '_doc', id], expect: [404] });
  }

  /** Makes searchable what was written. An index that is not there has nothing to be found. */
  async refresh(index: string): Promise<void> {
    const { _shards } = await this.request<{ _shards?: { readonly failed: number } }>({
      method: 'POST',
      path: [index, '_refresh'],
      expect: [404],
    });
    if (_shards && _shards.failed > 0) {
      throw new ServiceError('unavailable', `${_shards.failed} shards of ${index} do not refresh.`);
    }
  }

  /**
   * Asks for operations, each spelled as its lines of a bulk: one answer for each, in order. When
   * the request is too large or cannot be had for the moment, that is what became of each of them.
   *
   * @throws ServiceError `unavailable` when the request is refused for good.
   */
  async bulk(
    operations: readonly string[],
    query: Readonly<Record<string, string>> = {},
  ): Promise<readonly Answer[]> {
    try {
      const { items } = await this.#client.transport.request<{
        items: readonly Readonly<Record<string, BulkItem>>[];
      }>(
        {
          method: 'POST',
          path: '/_bulk',
          querystring: { filter_path: 'items.*._index,items.*.status,items.*.error', ...query },
          bulkBody: operations.join(''),
        },
        { maxRetries: 0 },
      );
      return items.map((item) => {
        const { _index: index, status, error } = Object.values(item)[0]!;
        return {
          index,
          status,
          reason: error ? `${error.type}: ${error.reason}`.slice(0, reasonLengthMax) : '',
        };
      });
    } catch (error) {
      const status = statusOf(error);
      if (status === 413 || isPassing(status)) {
        return operations.map(() => ({ status, reason: (error as Error).message }));
      }
      // It is the request that was refused, for want of a permission, say, and none of its events.
      throw serviceError(error);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** No node, too much to do, or a failure of the server's own. */
export function isPassing(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}

/** Whether a request has failed because no answer came in time. */
export function isTimeout({ cause }: Error): boolean {
  return cause instanceof errors.TimeoutError;
}

/** Whether Elasticsearch has told of an exception of a type, at one shard at least. */
export function failsBy({ cause }: Error, type: string): boolean {
  const told: unknown = cause instanceof errors.ResponseError ? cause.body : cause;
  return JSON.stringify(told ?? null).includes(`"${type}"`);
}

function statusOf(error: unknown): number {
  return error instanceof errors.ResponseError ? (error.statusCode ?? 0) : 0;
}

function serviceError(cause: unknown): ServiceError {
  return statusOf(cause) === 429
    ? new ServiceError('limit-exceeded', 'Elasticsearch has too much to do; try again.', {
        retryAfterSeconds: 1,
        cause,
      })
    : new ServiceError('unavailable', `Elasticsearch: ${(cause as Error).message}`, { cause });
}
