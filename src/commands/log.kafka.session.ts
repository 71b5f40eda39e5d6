import { ProtocolError } from '@platformatic/kafka';
import type { Link } from './log.kafka.link.js';
import { fetchApi, READ_UNCOMMITTED, request, type Fetched } from './log.kafka.fetch.js';

const MIB = 1024 * 1024;

/** One answer; a first batch that is larger comes all the same. */
const ANSWER_BYTES_MAX = 16 * MIB;
const TOPIC_BYTES_MAX = MIB / 4;

/** The next epoch after the last one of 31 bits is 1: 0 asks for a new session. */
const EPOCH_MAX = 2 ** 31 - 1;

/** The broker has forgotten the session, or lost count; it holds a bounded number of them. */
const SESSION_ERRORS = [
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
];

/**
 * A fetch session (KIP-227): the broker remembers which topics are asked for and from where, so
 * that a request names only what has changed, and an answer only the topics that have something.
 */
export class FetchSession {
  readonly #link: () => Link;
  #id = 0;
  #epoch = 0;
  #held = new Map<string, number>();
  #busy = false;

  /** @param link A connection of its own: a fetch that waits stops all that is behind it. */
  constructor(link: () => Link) {
    this.#link = link;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Whether the fetch that is under way answers when there is something from this offset on. */
  covers(topicId: string, offset: number): boolean {
    const held = this.#held.get(topicId);
    return this.#busy && held !== undefined && held <= offset;
  }

  /**
   * Waits until there is something of one of the topics, or for so long.
   *
   * @param wanted From which offset on, by topic id.
   */
  async fetch(wanted: ReadonlyMap<string, number>, waitMs: number): Promise<readonly Fetched[]> {
    const changed = [...wanted].filter(([id, offset]) => this.#held.get(id) !== offset);
    const forgotten = [...this.#held.keys()].filter((id) => !wanted.has(id));
    this.#held = new Map(wanted);
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
        changed.map(([id, offset]) => request(id, offset, TOPIC_BYTES_MAX)),
        forgotten.map((topic) => ({ topic, partitions: [0] })),
        '',
      );
      if (errorCode !== 0) {
        throw new ProtocolError(errorCode);
      }
      this.#id = sessionId;
      this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
      if (sessionId === 0) {
        this.#reset();
      }
      return topics;
    } catch (error) {
      this.#reset();
      if (error instanceof ProtocolError && SESSION_ERRORS.includes(error.apiId as string)) {
        return [];
      }
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** The next request makes a new session, and names everything. */
  #reset(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#held = new Map();
  }
}
