/** What many workspaces write at the same time, in few requests. */
import { ServiceError } from '../errors.js';
import { pause } from '../pause.js';
import { isPassing, type Answer, type Cluster } from './store.elastic.client.js';

/**
 * One request in the network and one at work keep Elasticsearch busy; with more of them, each takes
 * as much longer, and what they hold here and there grows.
 */
const bulksMax = 2;

/**
 * Larger bulks gain nothing, smaller ones pay for their round trip. In UTF-16 units, which are
 * known without looking: at worst three bytes each, far below what Elasticsearch takes (100 MiB).
 */
const bulkUnitsMax = 5 * 1_024 * 1_024;

/**
 * Before the first retry; twice as long before each further one. In all, this outlasts a queue that
 * is full for 6 s; what takes longer, the caller should know of.
 */
const retryMs = 200;
const retryMsMax = 3_200;

/** What one caller asked for, or a part of it. */
interface Chunk {
  readonly operations: readonly string[];
  readonly units: number;
  readonly resolve: (answers: readonly Answer[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The operations of all callers in the order in which they come. While as many bulks as there may
 * be are on their way, what comes gathers for the next: under little load nothing waits, and under
 * much the bulks are full.
 */
export class BulkQueue {
  readonly #cluster: Cluster;
  readonly #waiting: Chunk[] = [];
  #bulks = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** One answer for each operation, none of which a further try would change. */
  async submit(operations: readonly string[]): Promise<readonly Answer[]> {
    const parts = this.#partsOf(operations).map(
      ({ part, units }) =>
        new Promise<readonly Answer[]>((resolve, reject) => {
          this.#waiting.push({ operations: part, units, resolve, reject });
        }),
    );
    this.#send();
    return (await Promise.all(parts)).flat();
  }

  #partsOf(operations: readonly string[]): { part: string[]; units: number }[] {
    const parts: { part: string[]; units: number }[] = [];
    for (const operation of operations) {
      const last = parts.at(-1);
      if (last && last.units + operation.length <= bulkUnitsMax) {
        last.part.push(operation);
        last.units += operation.length;
      } else {
        parts.push({ part: [operation], units: operation.length });
      }
    }
    return parts;
  }

  #send(): void {
    while (this.#bulks < bulksMax && this.#waiting.length > 0) {
      let units = 0;
      const over = this.#waiting.findIndex((chunk) => (units += chunk.units) > bulkUnitsMax);
      const count = over === -1 ? this.#waiting.length : Math.max(over, 1);
      this.#bulks++;
      void this.#answer(this.#waiting.splice(0, count)).finally(() => {
        this.#bulks--;
        this.#send();
      });
    }
  }

  async #answer(chunks: readonly Chunk[]): Promise<void> {
    try {
      const operations = chunks.flatMap((chunk) => chunk.operations);
      const answers = await settle(this.#cluster, operations, { require_alias: 'true' });
      let begin = 0;
      for (const { operations: own, resolve } of chunks) {
        resolve(answers.slice(begin, (begin += own.length)));
      }
    } catch (error) {
      for (const { reject } of chunks) {
        reject(error);
      }
    }
  }
}

/**
 * Asks until there is an answer for each operation that a further try would not change. What is too
 * large for one request goes in two.
 *
 * @throws ServiceError `unavailable` when some still have none after all tries.
 */
export async function settle(
  cluster: Cluster,
  operations: readonly string[],
  query?: Readonly<Record<string, string>>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let open = [...operations.keys()];
  let pauseMs = retryMs;
  while (open.length > 0) {
    const sent = open.map((index) => operations[index]!);
    for (const [at, answer] of (await ask(cluster, sent, query)).entries()) {
      answers[open[at]!] = answer;
    }
    open = open.filter((index) => isPassing(answers[index]!.status));
    if (open.length > 0) {
      if (pauseMs > retryMsMax) {
        const { status, reason } = answers[open[0]!]!;
        throw new ServiceError('unavailable', `Elasticsearch takes no writes: ${status} ${reason}`);
      }
      await pause(pauseMs);
      pauseMs *= 2;
    }
  }
  return answers;
}

/** In two requests what is too large for one. */
async function ask(
  cluster: Cluster,
  operations: readonly string[],
  query?: Readonly<Record<string, string>>,
): Promise<readonly Answer[]> {
  const answers = await cluster.bulk(operations, query);
  if (operations.length === 1 || !answers.every(({ status }) => status === 413)) {
    return answers;
  }
  const half = operations.length >> 1;
  const first = await ask(cluster, operations.slice(0, half), query);
  return [...first, ...(await ask(cluster, operations.slice(half), query))];
}
