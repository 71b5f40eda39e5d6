import { eventsUrl, request, Socket, type Frame } from '../support/client.js';
import { until } from '../until.js';

/** How long at most readers of one workspace had to wait, in ms. */
export interface Waits {
  /** Between two deliveries. */
  readonly delivery: number;
  /** From an emit until its event can be searched. */
  readonly search: number;
}

const RUN_MS_MAX = 600_000;

/** Workspaces into which events go at a steady rate, and what their readers notice. */
export class Steady {
  readonly workspaces: readonly string[];
  readonly #flows: readonly Flow[];

  private constructor(workspaces: readonly string[], flows: readonly Flow[]) {
    this.workspaces = workspaces;
    this.#flows = flows;
  }

  /** @param eventsPerSecond Into each. */
  static async start(
    emitUrl: string,
    readUrl: string,
    workspaces: readonly string[],
    eventsPerSecond: number,
  ): Promise<Steady> {
    const opening = workspaces.map((id) => Flow.open(emitUrl, readUrl, id, eventsPerSecond));
    return new Steady(workspaces, await Promise.all(opening));
  }

  /** The longest waits of some of the workspaces since they were last taken. */
  take(workspaces = this.workspaces): Waits {
    const waits = this.#flows.filter(({ id }) => workspaces.includes(id)).map((one) => one.take());
    return {
      delivery: Math.max(...waits.map(({ delivery }) => delivery)),
      search: Math.max(...waits.map(({ search }) => search)),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#flows.map((flow) => flow.stop()));
  }
}

class Flow {
  readonly id: string;
  readonly #url: string;
  readonly #emitter: Socket;
  readonly #reader: Socket;
  #running: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #last: { readonly position: string; readonly sentAt: number } | undefined;
  #searched: string | undefined;
  #deliveredAt = performance.now();
  #delivery = 0;
  #search = 0;

  private constructor(id: string, url: string, emitter: Socket, reader: Socket) {
    this.id = id;
    this.#url = url;
    this.#emitter = emitter;
    this.#reader = reader;
  }

  static async open(
    emitUrl: string,
    readUrl: string,
    id: string,
    eventsPerSecond: number,
  ): Promise<Flow> {
    const flow = new Flow(
      id,
      readUrl,
      await Socket.open(emitUrl, id),
      await Socket.open(readUrl, id),
    );
    flow.#emitter.ws.on('message', (data: Buffer) => {
      const { results } = JSON.parse(data.toString()) as Frame;
      flow.#last = { position: results[0].position, sentAt: flow.#sentAt.shift()! };
    });
    await flow.#reader.ask({ op: 'subscribe' });
    flow.#deliveredAt = performance.now();
    flow.#reader.ws.on('message', () => {
      flow.#delivery = flow.#waited;
      flow.#deliveredAt = performance.now();
    });
    flow.#running = Promise.all([flow.#emit(eventsPerSecond), flow.#find()]);
    return flow;
  }

  /** Answers come in the order of the frames. */
  readonly #sentAt: number[] = [];

  get #waited(): number {
    return Math.max(this.#delivery, performance.now() - this.#deliveredAt);
  }

  take(): Waits {
    const waits = { delivery: this.#waited, search: this.#search };
    this.#delivery = this.#search = 0;
    return waits;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all([this.#emitter.close(), this.#reader.close()]);
  }

  async #emit(eventsPerSecond: number): Promise<void> {
    const began = performance.now();
    let sent = 0;
    await until(
      'it is stopped',
      () => {
        const due = ((performance.now() - began) * eventsPerSecond) / 1000;
        for (; sent < due && !this.#stopped; sent++) {
          this.#sentAt.push(performance.now());
          this.#emitter.send({ op: 'emit', id: sent, events: [{ type: 'tick', payload: {} }] });
        }
        return this.#stopped && this.#sentAt.length === 0;
      },
      RUN_MS_MAX,
    );
  }

  /** Asks for the latest event, one after the other. */
  async #find(): Promise<void> {
    while (!this.#stopped) {
      const { position, sentAt } = await until('there is a new one', () =>
        this.#last?.position === this.#searched ? undefined : this.#last,
      );
      const query = { waitFor: position, wait: '60', limit: '1' };
      const { status, body } = await request(eventsUrl(this.#url, this.id, query));
      if (status !== 200) {
        throw new Error(`not searchable: ${JSON.stringify(body)}`);
      }
      this.#search = Math.max(this.#search, performance.now() - sentAt);
      this.#searched = position;
    }
  }
}
