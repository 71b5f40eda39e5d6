import { ServiceError } from '../errors.js';
import { nameOf, type Incarnation, type Recorded } from '../event.js';
import { Slices } from '../slices.js';
import { Turns } from '../turns.js';
import type { BulkQueue } from './store.elastic.bulk.js';
import type { Checkpoints } from './store.elastic.checkpoints.js';
import type { Answer, Cluster } from './store.elastic.client.js';
import type { ColumnLists } from './store.elastic.columns.js';
import { documentOf, type Document } from './store.elastic.document.js';
import type { Indices } from './store.elastic.indices.js';
import type { Outcome } from './store.js';

/**
 * How long after its first try an event may be sent again and be recognised although a month has
 * ended in between: an id is unique within its month alone. What comes sooner the node that took it
 * mostly remembers by itself; what comes later is another event.
 */
const retryMsMax = 3 * 24 * 60 * 60 * 1_000;

type Refused = Exclude<Outcome, string>;

export class Writer {
  readonly #cluster: Cluster;
  readonly #indices: Indices;
  readonly #checkpoints: Checkpoints;
  readonly #columns: ColumnLists;
  readonly #queue: BulkQueue;
  /** The last call of each incarnation: so its ids are under way in the order of the calls. */
  readonly #calls = new Map<string, Promise<void>>();
  /** Documents are made call by call, for others to have their turn in between. */
  readonly #making = new Turns();
  /** What becomes of the documents that are being written, by their ids. */
  readonly #underWay = new Map<string, Promise<Outcome>>();

  constructor(
    cluster: Cluster,
    indices: Indices,
    checkpoints: Checkpoints,
    columns: ColumnLists,
    queue: BulkQueue,
  ) {
    this.#cluster = cluster;
    this.#indices = indices;
    this.#checkpoints = checkpoints;
    this.#columns = columns;
    this.#queue = queue;
  }

  async write(of: Incarnation, records: readonly Recorded[]): Promise<readonly Outcome[]> {
    const documents = await this.#inTurn(of, () => this.#documentsOf(of, records));
    const firsts: Document[] = [];
    // Begins when this run of code has ended, and with it the list.
    const stored = Promise.resolve().then(() => this.#store(of, firsts));
    // Two bulks may overtake each other. So an id is sent once, and its second event is told what
    // became of the first: were it sent too, it could be the one that is stored.
    const outcomes = documents.map((document): Promise<Outcome> => {
      if ('refused' in document) {
        return Promise.resolve(document);
      }
      const first = this.#underWay.get(document.id);
      if (first) {
        return first.then((outcome) => (outcome === 'stored' ? 'exists' : outcome));
      }
      const place = firsts.push(document) - 1;
      const outcome = stored.then((all) => all[place]!);
      this.#underWay.set(document.id, outcome);
      return outcome;
    });
    const arrived = (): void => {
      firsts.forEach(({ id }) => this.#underWay.delete(id));
    };
    stored.then(arrived, arrived);
    return Promise.all(outcomes);
  }

  /** Of one incarnation, a call after the other. */
  #inTurn<T>(of: Incarnation, work: () => Promise<T>): Promise<T> {
    const name = nameOf(of);
    const done = (this.#calls.get(name) ?? Promise.resolve()).then(work);
    const ended = done.then(
      () => undefined,
      () => undefined,
    );
    this.#calls.set(name, ended);
    void ended.then(() => {
      if (this.#calls.get(name) === ended) {
        this.#calls.delete(name);
      }
    });
    return done;
  }

  async #documentsOf(
    of: Incarnation,
    records: readonly Recorded[],
  ): Promise<(Document | Refused)[]> {
    const columns = await this.#columns.get(of);
    const documents = await this.#making.take(() => documentsOf(of, records, columns));
    const unplaced = documents.map((document) => ('id' in document ? document.unplaced : []));
    const more = await this.#columns.allocate(of, new Set(unplaced.flat()));
    const places = [...documents.keys()].filter((at) => unplaced[at]!.length > 0);
    if (more.size > columns.size && places.length > 0) {
      const again = places.map((at) => records[at]!);
      const placed = await this.#making.take(() => documentsOf(of, again, more));
      places.forEach((at, index) => {
        documents[at] = placed[index]!;
      });
    }
    return documents;
  }

  /** One outcome for each document. No two of them have one id. */
  async #store(of: Incarnation, documents: readonly Document[]): Promise<readonly Outcome[]> {
    const elsewhere = await this.#inOtherMonth(of, documents);
    const sent = documents.filter(({ id }) => !elsewhere.has(id));
    const months = sent.map(({ createdAt }) => this.#indices.monthOf(createdAt));
    const written = new Set(months);
    await Promise.all(Array.from(written, (month) => this.#indices.make(month)));
    const answers = await this.#queue.submit(
      sent.map(({ id, source }, at) => {
        const action = { create: { _index: months[at]!, _id: id, routing: of.id } };
        return `${JSON.stringify(action)}\n${source}\n`;
      }),
    );
    const outcomes = new Map(
      sent.map(({ id }, at) => [id, this.#outcome(answers[at]!, months[at]!)]),
    );
    for (const month of written) {
      this.#checkpoints.wrote(month);
    }
    return documents.map(({ id }) => outcomes.get(id) ?? 'exists');
  }

  #outcome({ status, reason, index }: Answer, month: string): Outcome {
    switch (status) {
      case 201:
        return 'stored';
      case 409:
        return 'exists';
      case 400:
        // What is closed refuses all alike. So does an alias that leads to no index to write to,
        // or to several: what comes to no index has not been looked at.
        if (index === month || reason.startsWith('index_closed_exception')) {
          break;
        }
        return { refused: reason };
      case 413:
        return { refused: 'is larger than Elasticsearch takes' };
      case 404:
        this.#indices.forget(month);
    }
    // Not the fault of this event: parked for it, all events after it would be as well.
    throw new ServiceError('unavailable', `Elasticsearch takes no writes: ${status} ${reason}`);
  }

  /** The ids of those that were stored in the month before or after, shortly before its end. */
  async #inOtherMonth(
    of: Incarnation,
    documents: readonly Document[],
  ): Promise<ReadonlySet<string>> {
    const oldest = documents.reduce((time, { createdAt }) => Math.min(time, createdAt), Infinity);
    const newest = documents.reduce((time, { createdAt }) => Math.max(time, createdAt), -Infinity);
    // As a rule none is near the end of a month, and all are spared a closer look.
    if (this.#indices.monthOf(oldest - retryMsMax) === this.#indices.monthOf(newest + retryMsMax)) {
      return new Set();
    }
    const docs = documents.flatMap(({ id, createdAt }) => {
      const month = this.#indices.monthOf(createdAt);
      return [createdAt - retryMsMax, createdAt + retryMsMax]
        .map((time) => this.#indices.monthOf(time))
        .filter((other) => other !== month)
        .map((other) => ({ _index: other, _id: id, routing: of.id, _source: false }));
    });
    if (docs.length === 0) {
      return new Set();
    }
    const answers = await this.#cluster.get<{ readonly found?: boolean }>(docs, ['found']);
    const found = docs.filter((_, at) => answers[at]!.found);
    for (const { _index } of found) {
      this.#checkpoints.wrote(_index);
    }
    return new Set(found.map(({ _id }) => _id));
  }
}

async function documentsOf(
  of: Incarnation,
  records: readonly Recorded[],
  columns: ReadonlyMap<string, number>,
): Promise<(Document | Refused)[]> {
  const documents: (Document | Refused)[] = [];
  const slices = new Slices();
  for (const record of records) {
    try {
      documents.push(documentOf(of, record, columns));
    } catch (error) {
      documents.push({ refused: (error as Error).message });
    }
    if (slices.isOver) {
      await slices.next();
    }
  }
  return documents;
}
