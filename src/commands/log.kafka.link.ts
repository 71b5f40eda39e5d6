import {
  Connection,
  ResponseError,
  type API,
  type Broker,
  type ConnectionOptions,
} from '@platformatic/kafka';

/** One connection to a broker: made when it is needed, and anew after it was lost. */
export class Link {
  readonly #broker: Broker;
  readonly #clientId: string;
  readonly #options: ConnectionOptions;
  #connection: Promise<Connection> | undefined;
  #busy = 0;

  constructor(broker: Broker, clientId: string, options: ConnectionOptions) {
    this.#broker = broker;
    this.#clientId = clientId;
    this.#options = options;
  }

  /** How many calls wait for an answer. */
  get busy(): number {
    return this.#busy;
  }

  /** @throws ResponseError for what the broker refuses, other errors where there is no answer. */
  async call<A extends unknown[], R>(api: API<A, R>, ...args: A): Promise<R> {
    this.#connection ??= this.#connect();
    const made = this.#connection;
    this.#busy++;
    try {
      return await api.async(await made, ...args);
    } catch (error) {
      // The library cannot read on after an answer that came late, so only a connection on which
      // every call was answered is fit for use.
      if (!(error instanceof ResponseError)) {
        this.#drop(made);
      }
      throw error;
    } finally {
      this.#busy--;
    }
  }

  /** Calls that still wait fail. */
  close(): void {
    if (this.#connection) {
      this.#drop(this.#connection);
    }
  }

  async #connect(): Promise<Connection> {
    const connection = new Connection(this.#clientId, this.#options);
    // Each call that waits is told as well; without a listener it would end the process.
    connection.on('error', () => undefined);
    // Brokers close what was idle for long.
    connection.once('close', () => {
      this.#connection = undefined;
    });
    await connection.connect(this.#broker.host, this.#broker.port);
    return connection;
  }

  #drop(made: Promise<Connection>): void {
    if (this.#connection === made) {
      this.#connection = undefined;
    }
    // Not `close`, which waits until all is written: a broker that is stalled never takes it.
    made.then(
      ({ socket }) => socket.destroy(),
      () => undefined,
    );
  }
}

/**
 * Several connections to a broker for one purpose. A broker serves the requests of one connection
 * one after the other, so that what waits there holds up what comes behind it.
 */
export class Links {
  readonly #make: () => Link;
  readonly #max: number;
  readonly #links: Link[] = [];

  constructor(max: number, make: () => Link) {
    this.#max = max;
    this.#make = make;
  }

  /** The one on which the fewest wait; another one, up to the bound, when some wait on each. */
  pick(): Link {
    const [least] = this.#links.toSorted((a, b) => a.busy - b.busy);
    if (least && (least.busy === 0 || this.#links.length === this.#max)) {
      return least;
    }
    const link = this.#make();
    this.#links.push(link);
    return link;
  }

  close(): void {
    for (const link of this.#links) {
      link.close();
    }
  }
}
