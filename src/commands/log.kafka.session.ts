import { ProtocolError } from '@platformatic/kafka';
import type { Link } from './log.kafka.link.js';
import { refusalOf } from './log.kafka.patience.js';
import { fetchApi, READ_UNCOMMITTED, request, type Fetched } from './log.kafka.fetch.js';

const MIB = 1024 * 1024;

/** One answer; a first batch that is larger comes all the same. */
const ANSWER_BYTES_MAX = 16 * MIB;
const TOPIC_BYTES_MAX = MIB / 4;

/** The next epoch after the last one of 31 bits is 1. */
const EPOCH_MAX = 2 ** 31 - 1;

/** Asks for a session, or for none. */
export const NEW_SESSION = 0;
export const NO_SESSION = -1;

/** The broker has forgotten the session, or lost count; it holds a bounded number of them. */
const SESSION_ERRORS = [
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
];

/**
 * Fetches from many topics at once. In a session (KIP-227) the broker remembers which topics are
 * asked for and from where, so that a request names only what has changed, and an answer only the
 * topics that have something.
 */
export class FetchSession {
  readonly #link: () => Link;
  readonly #firstEpoch: typeof NEW_SESSION | typeof NO_SESSION;
  #id = 0;
  #epoch: number;
  /** From where each topic is wanted. */
  readonly #wanted = new Map<string, number>();
  /** The same, as the broker has it. */
  readonly #known = new Map<string, number>();
  /** Where the two may differ. */
  readonly #changed = new Set<string>();
  #busy = false;

  /** @param link A connection of its own: a fetch that waits stops all that is behind it. */
  constructor(link: () => Link, firstEpoch: typeof NEW_SESSION | typeof NO_SESSION) {
    this.#link = link;
    this.#firstEpoch = firstEpoch;
    this.#epoch = firstEpoch;
  }

  get busy(): boolean {
    return this.#busy;
  }

  get topicIds(): string[] {
    return [...this.#wanted.keys()];
  }

  offsetOf(topicId: string): number | undefined {
    return this.#wanted.get(topicId);
  }

  /** Whether the fetch that is under way answers when there is something from this offset on. */
  covers(topicId: string, offset: number): boolean {
    return this.#busy && (this.#wanted.get(topicId) ?? Infinity) <= offset;
  }

  /** From where a topic is wanted by the next fetch on; `undefined`: not any more. */
  want(topicId: string, offset: number | undefined): void {
    if (offset === undefined) {
      this.#wanted.delete(topicId);
    } else {
      this.#wanted.set(topicId, offset);
    }
    this.#changed.add(topicId);
  }

  /** Waits until there is something of one of the topics, or for so long. */
  async fetch(waitMs: number): Promise<readonly Fetched[]> {
    const { named, forgotten } = this.#changes();
    this.#busy = true;
    try {
      const { errorCode, sessionId, topics } = await this.#link().call(
        fetchApi,
        waitMs,
        1,
        ANSWER_BYTES_MAX,
        READ_UNCOMMITTED,
        this.#id,
        this.#epoch,
        named.map((topicId) => request(topicId, this.#wanted.get(topicId)!, TOPIC_BYTES_MAX)),
        forgotten.map((topic) => ({ topic, partitions: [0] })),
        '',
      );
      if (errorCode !== 0) {
        throw new ProtocolError(errorCode);
      }
      this.#id = sessionId;
      // A broker that has no room for another session gives none.
      this.#epoch = sessionId === 0 ? this.#firstEpoch : (this.#epoch % EPOCH_MAX) + 1;
      return topics;
    } catch (error) {
      this.#id = 0;
      this.#epoch = this.#firstEpoch;
      if (SESSION_ERRORS.includes(refusalOf(error) ?? '')) {
        return [];
      }
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** What the broker has to be told; from now on it is taken to know. */
  #changes(): { named: string[]; forgotten: string[] } {
    if (this.#epoch === this.#firstEpoch) {
      this.#known.clear();
      this.topicIds.forEach((topicId) => this.#changed.add(topicId));
    }
    const differing = [...this.#changed].filter(
      (topicId) => this.#known.get(topicId) !== this.#wanted.get(topicId),
    );
    const named = differing.filter((topicId) => this.#wanted.has(topicId));
    const forgotten = differing.filter((topicId) => !this.#wanted.has(topicId));
    named.forEach((topicId) => this.#known.set(topicId, this.#wanted.get(topicId)!));
    forgotten.forEach((topicId) => this.#known.delete(topicId));
    this.#changed.clear();
    return { named, forgotten };
  }
}
