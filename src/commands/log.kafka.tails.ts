import type { Broker } from '@platformatic/kafka';
import { logger } from '../logger.js';
import { addressOf, FETCH_WAIT_MS, type Cluster, type Topic } from './log.kafka.cluster.js';
import { foundIn, type Fetched, type Found } from './log.kafka.fetch.js';
import { FetchSession, NEW_SESSION, NO_SESSION } from './log.kafka.session.js';

/** So long at most may one who has come to wait be held up by another who came before. */
const JOIN_WAIT_MS = 20;

interface Waiter {
  readonly offset: number;
  readonly resolve: (found: Found | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Waits at the head of any number of topics with two connections to each broker. */
export class Tails {
  readonly #cluster: Cluster;
  readonly #byBroker = new Map<string, BrokerTail>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * Resolves when there is something from an offset on; with `undefined` when the signal aborts.
   * Nothing is fetched for a topic of which nobody waits.
   */
  wait(topic: Topic, offset: number, signal: AbortSignal): Promise<Found | undefined> {
    const address = addressOf(topic.leader);
    let tail = this.#byBroker.get(address);
    if (!tail) {
      tail = new BrokerTail(this.#cluster, topic.leader);
      this.#byBroker.set(address, tail);
    }
    return tail.wait(topic.id, offset, signal);
  }

  /** Those who wait fail. */
  close(reason: Error): void {
    for (const tail of this.#byBroker.values()) {
      tail.fail(reason);
    }
  }
}

/**
 * All that is waited for at one broker. A fetch cannot be called back or added to once the broker
 * has it, and it stops all that is behind it on its connection. Hence two. The main one carries
 * everything, and waits long. Who comes while it waits is carried by the other one, which waits
 * shortly so that the next can join, until the main one comes round and takes all of them. That one
 * is without a session: it carries few, others each time, and a broker holds a thousand sessions.
 */
class BrokerTail {
  readonly #main: FetchSession;
  readonly #joining: FetchSession;
  readonly #address: string;
  readonly #waiters = new Map<string, Set<Waiter>>();
  /** Topics of which somebody has come or gone since the main session was sent. */
  readonly #touched = new Set<string>();
  #scheduled = false;

  constructor(cluster: Cluster, broker: Broker) {
    this.#address = addressOf(broker);
    this.#main = new FetchSession(() => cluster.link(broker, 'tail'), NEW_SESSION);
    this.#joining = new FetchSession(() => cluster.link(broker, 'join'), NO_SESSION);
  }

  wait(topicId: string, offset: number, signal: AbortSignal): Promise<Found | undefined> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(topicId) ?? new Set();
      this.#waiters.set(topicId, waiters);
      const leave = (): void => {
        signal.removeEventListener('abort', abort);
        waiters.delete(waiter);
        this.#touched.add(topicId);
        if (waiters.size === 0 && this.#waiters.get(topicId) === waiters) {
          this.#waiters.delete(topicId);
        }
      };
      const waiter = {
        offset,
        resolve: (found: Found | undefined) => {
          leave();
          resolve(found);
        },
        reject: (error: Error) => {
          leave();
          reject(error);
        },
      };
      const abort = (): void => {
        waiter.resolve(undefined);
      };
      signal.addEventListener('abort', abort);
      waiters.add(waiter);
      this.#touched.add(topicId);
      this.#schedule();
    });
  }

  fail(reason: Error, topicIds: Iterable<string> = this.#waiters.keys()): void {
    for (const topicId of [...topicIds]) {
      for (const waiter of [...(this.#waiters.get(topicId) ?? [])]) {
        waiter.reject(reason);
      }
    }
  }

  /** After those who were given something have had their turn to ask for the next. */
  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    }
  }

  #send(): void {
    if (!this.#main.busy) {
      for (const topicId of this.#touched) {
        this.#main.want(topicId, this.#wanted(topicId));
      }
      this.#touched.clear();
      void this.#run(this.#main, FETCH_WAIT_MS);
    }
    if (!this.#joining.busy) {
      for (const topicId of [...this.#joining.topicIds, ...this.#touched]) {
        const offset = this.#wanted(topicId);
        const isCovered = offset !== undefined && this.#main.covers(topicId, offset);
        this.#joining.want(topicId, isCovered ? undefined : offset);
      }
      void this.#run(this.#joining, JOIN_WAIT_MS);
    }
  }

  /** Of several who wait for one topic, the one that is furthest behind decides. */
  #wanted(topicId: string): number | undefined {
    const waiters = this.#waiters.get(topicId);
    return waiters && Math.min(...[...waiters].map(({ offset }) => offset));
  }

  async #run(session: FetchSession, waitMs: number): Promise<void> {
    if (session.topicIds.length === 0) {
      return;
    }
    try {
      for (const fetched of await session.fetch(waitMs)) {
        this.#deliver(fetched, session.offsetOf(fetched.topicId));
      }
    } catch (error) {
      // Each of them looks for the leader, which may be another one by now.
      logger.warn({ err: error, broker: this.#address }, 'cannot follow, trying again');
      this.fail(error as Error, session.topicIds);
    }
    this.#schedule();
  }

  /** An answer of the one session may come after the other has served who waited. */
  #deliver(fetched: Fetched, offset: number | undefined): void {
    const waiters = this.#waiters.get(fetched.topicId);
    if (!waiters || offset === undefined) {
      return;
    }
    try {
      const found = foundIn(fetched, offset);
      for (const waiter of [...waiters]) {
        if (offset <= waiter.offset && waiter.offset < found.next) {
          waiter.resolve(found);
        }
      }
    } catch (error) {
      this.fail(error as Error, [fetched.topicId]);
    }
  }
}
