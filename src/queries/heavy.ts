import { Counts } from '../counts.js';
import { ServiceError } from '../errors.js';

/** Others may be done by then. */
const RETRY_AFTER_SECONDS = 1;

/**
 * Queries that look at any number of events: aggregations, counts, usage. Each workspace may have
 * some of them at once on a node, so that one tenant's dashboard leaves room for the others.
 */
export class HeavyQueries {
  readonly #atOnceMax: number;
  readonly #running = new Counts();

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /**
   * @param workspace Whose budget it takes from.
   * @throws ServiceError `limit-exceeded` when as many are running as may.
   */
  async run<T>(workspace: string, query: () => Promise<T>): Promise<T> {
    const running = this.#running.of(workspace);
    if (running >= this.#atOnceMax) {
      throw new ServiceError(
        'limit-exceeded',
        `${String(running)} counts and aggregations of ${workspace} are running on this node, ` +
          'as many as may at once. Wait for one of them.',
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
    this.#running.add(workspace);
    try {
      return await query();
    } finally {
      this.#running.remove(workspace);
    }
  }
}
