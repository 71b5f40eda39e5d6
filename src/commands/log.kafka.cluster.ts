import {
  metadataV12,
  ProtocolError,
  ResponseError,
  type API,
  type Broker,
} from '@platformatic/kafka';
import { Link, Links, type Access } from './log.kafka.link.js';
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
export type Purpose = keyof typeof LINKS_MAX;

interface Lookup {
  readonly names: Set<string>;
  readonly found: Promise<Map<string, Topic | Error>>;
}

/** What is known of the brokers and topics, and the connections to them. */
export class Cluster {
  readonly #access: Access;
  readonly #bootstrap: readonly Broker[];
  readonly #links = new Map<string, Links>();
  readonly #topics = new Map<string, Topic>();
  #brokers: readonly Broker[] = [];
  #lookup: Lookup | undefined;
  #lastLookup: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(bootstrap: readonly Broker[], access: Access) {
    this.#bootstrap = bootstrap;
    this.#access = access;
  }

  /** @throws ServiceError `unavailable` when it is closed. */
  link(broker: Broker, purpose: Purpose): Link {
    if (this.#closed) {
      throw unavailable('the log is closed');
    }
    const key = `${purpose} ${addressOf(broker)}`;
    let links = this.#links.get(key);
    if (!links) {
      links = new Links(LINKS_MAX[purpose], () => new Link(broker, this.#access));
      this.#links.set(key, links);
    }
    return links.pick();
  }

  /** Calls any broker: the first one that answers, be it with a refusal. */
  async ask<A extends unknown[], R>(api: API<A, R>, ...args: A): Promise<R> {
    let failure: unknown;
    for (const broker of [...this.#brokers, ...this.#bootstrap]) {
      try {
        return await this.link(broker, 'ask').call(api, ...args);
      } catch (error) {
        if (this.#closed || error instanceof ResponseError) {
          throw error;
        }
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

export function addressOf({ host, port }: Broker): string {
  return `${host}:${port}`;
}
