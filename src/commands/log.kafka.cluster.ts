import { isIP } from 'node:net';
import {
  metadataV12,
  ProtocolError,
  ResponseError,
  type API,
  type Broker,
  type ConnectionOptions,
} from '@platformatic/kafka';
import { Link, Links } from './log.kafka.link.js';
import { unavailable } from './log.kafka.patience.js';

/** One incarnation of a topic, and the broker that leads its only partition. */
export interface Topic {
  readonly name: string;
  readonly id: string;
  readonly leader: Broker;
}

/**
 * How many connections to a broker there may be for each purpose, so that what is slow (an append
 * that waits for a replica, a replay of old records) holds up only a part of the others.
 */
const LINKS_MAX = { ask: 1, write: 8, read: 4, tail: 1, join: 1 } as const;
type Purpose = keyof typeof LINKS_MAX;

/** How long a fetch waits at a broker where nothing comes: an idle node asks once a second. */
export const FETCH_WAIT_MS = 1000;

/** So many brokers that are stalled can be asked in vain before a call is over. */
const ASKED_IN_VAIN_MAX = 3;

export interface ClusterOptions {
  /** `host:port` of some of them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: NonNullable<ConnectionOptions['ssl']>;
  readonly sasl?: NonNullable<ConnectionOptions['sasl']>;
  /** How long a call waits for Kafka before it is `unavailable`. */
  readonly waitMs: number;
}

interface Lookup {
  readonly names: Set<string>;
  readonly found: Promise<Map<string, Topic | Error>>;
}

/** What is known of the brokers and topics, and the connections to them. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #bootstrap: readonly Broker[];
  readonly #links = new Map<string, Links>();
  readonly #topics = new Map<string, Topic>();
  #brokers: readonly Broker[] = [];
  #brokersLost = 0;
  #lookup: Lookup | undefined;
  #lastLookup: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#bootstrap = options.brokers.map(brokerAt);
  }

  /** @throws ServiceError `unavailable` when it is closed. */
  link(broker: Broker, purpose: Purpose): Link {
    if (this.#closed) {
      throw unavailable('the log is closed');
    }
    const key = `${purpose} ${addressOf(broker)}`;
    let links = this.#links.get(key);
    if (!links) {
      links = new Links(LINKS_MAX[purpose], () => this.#newLink(broker, purpose));
      this.#links.set(key, links);
    }
    return links.pick();
  }

  /** Calls any broker: the first one that answers, be it with a refusal. */
  async ask<A extends unknown[], R>(api: API<A, R>, ...args: A): Promise<R> {
    let failure: unknown;
    const brokers = [...this.#brokers, ...this.#bootstrap];
    const first = this.#brokersLost % brokers.length;
    for (const broker of [...brokers.slice(first), ...brokers.slice(0, first)]) {
      try {
        return await this.link(broker, 'ask').call(api, ...args);
      } catch (error) {
        if (this.#closed || error instanceof ResponseError) {
          throw error;
        }
        // So that what comes next does not wait for this one again.
        this.#brokersLost++;
        failure = error;
      }
    }
    throw failure;
  }

  /**
   * `undefined` where the broker that was asked knows of none.
   *
   * Lookups that come while one is under way go into the next one together: a thousand followers
   * that begin at once, or again when a broker is back, make a few requests.
   */
  async find(name: string): Promise<Topic | undefined> {
    const known = this.#topics.get(name);
    if (known) {
      return known;
    }
    this.#lookup ??= this.#nextLookup();
    this.#lookup.names.add(name);
    const found = (await this.#lookup.found).get(name);
    if (found instanceof Error) {
      throw found;
    }
    return found;
  }

  /** Learns of all the brokers. */
  async refresh(): Promise<void> {
    await this.#look([]);
  }

  /** Has the next `find` ask, because what is known may be of the past. */
  forget(name: string): void {
    this.#topics.delete(name);
  }

  close(): void {
    this.#closed = true;
    for (const links of this.#links.values()) {
      links.close();
    }
  }

  #newLink(broker: Broker, purpose: Purpose): Link {
    const { clientId, ssl, sasl, waitMs } = this.#options;
    const askMs = waitMs / (ASKED_IN_VAIN_MAX + 1);
    const waitsMs = { ask: askMs, tail: FETCH_WAIT_MS + waitMs, join: FETCH_WAIT_MS + waitMs };
    return new Link(broker, clientId, {
      connectTimeout: askMs,
      requestTimeout: { read: waitMs, write: waitMs, ...waitsMs }[purpose],
      // Gateways lead a connection by the name it asks for, which TLS allows no address to be.
      ...(ssl && { ssl, tlsServerName: isIP(broker.host) === 0 }),
      ...(sasl && { sasl }),
    });
  }

  #nextLookup(): Lookup {
    const names = new Set<string>();
    const found = this.#lastLookup.then(() => {
      this.#lookup = undefined;
      return this.#look([...names]);
    });
    this.#lastLookup = found.catch(() => undefined);
    return { names, found };
  }

  async #look(names: string[]): Promise<Map<string, Topic | Error>> {
    // One unknown topic makes an error of the whole answer, which holds the others all the same.
    const answer = await this.ask(metadataV12.api, names, false, false).catch((error: unknown) => {
      if (error instanceof ResponseError && error.response !== undefined) {
        return error.response as metadataV12.MetadataResponse;
      }
      throw error;
    });
    this.#brokers = answer.brokers;
    this.#closeUnused();
    const found = topicsIn(answer);
    for (const topic of found.values()) {
      if (!(topic instanceof Error)) {
        this.#topics.set(topic.name, topic);
      }
    }
    return found;
  }

  #closeUnused(): void {
    const used = new Set([...this.#brokers, ...this.#bootstrap].map(addressOf));
    for (const [key, links] of this.#links) {
      if (!used.has(key.slice(key.indexOf(' ') + 1))) {
        this.#links.delete(key);
        links.close();
      }
    }
  }
}

function topicsIn({ brokers, topics }: metadataV12.MetadataResponse): Map<string, Topic | Error> {
  const found = new Map<string, Topic | Error>();
  for (const { name, topicId, errorCode, partitions } of topics) {
    const [partition] = partitions;
    const leader = brokers.find(({ nodeId }) => nodeId === partition?.leaderId);
    const error = new ProtocolError(errorCode === 0 ? 'LEADER_NOT_AVAILABLE' : errorCode);
    if (name && error.apiId !== 'UNKNOWN_TOPIC_OR_PARTITION') {
      found.set(name, leader ? { name, id: topicId, leader } : error);
    }
  }
  return found;
}

function brokerAt(address: string): Broker {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

export function addressOf({ host, port }: Broker): string {
  return `${host}:${port}`;
}
