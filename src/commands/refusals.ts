import { randomInt } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { Gcra } from '../gcra.js';
import { nameOf, type Taker } from './quotas.js';

/**
 * How late one is that nobody waits before. Left to chance: connections that are refused together
 * would come back together, and keep everybody else waiting.
 */
const HELD_MS_MIN = 1000;
const HELD_MS_MAX = 2000;
/** What a caller costs that heeds nothing; more of them than in a second wait for their turn. */
const REFUSALS_PER_SECOND = 10;
/** Nobody waits longer for their turn: clients give up a request after half a minute. */
const QUEUED_MS_MAX = 20_000;

/**
 * Whoever has used up a quota and does not heed `Retry-After` would cost as much by being refused.
 * So a refusal comes late, and those of one caller come one after the other, over however many
 * connections it asks. Meanwhile nothing more is read from them.
 */
export class Refusals {
  readonly #queued = new Gcra(() => performance.now());
  readonly #held = new Set<() => void>();
  #isClosed = false;

  /**
   * Resolves when a refusal may be told, or the next be looked at; at once where its client goes.
   *
   * @param client The response or the WebSocket, which emits `close`.
   */
  hold(taker: Taker, client: EventEmitter & { readonly closed?: boolean }): Promise<void> {
    if (this.#isClosed || client.closed === true) {
      return Promise.resolve();
    }
    const name = nameOf(taker);
    const queuedMs = this.#queued.waitMs(name, REFUSALS_PER_SECOND);
    const turns = queuedMs < QUEUED_MS_MAX ? 1 : 0;
    this.#queued.take(name, REFUSALS_PER_SECOND, turns);
    return new Promise((resolve) => {
      const release = (): void => {
        clearTimeout(timer);
        client.off('close', leave);
        this.#held.delete(release);
        resolve();
      };
      const leave = (): void => {
        this.#queued.take(name, REFUSALS_PER_SECOND, -turns);
        release();
      };
      const timer = setTimeout(release, queuedMs + randomInt(HELD_MS_MIN, HELD_MS_MAX));
      client.once('close', leave);
      this.#held.add(release);
    });
  }

  /** The node stops: those that wait are told now, and those to come at once. */
  close(): void {
    this.#isClosed = true;
    for (const release of this.#held) {
      release();
    }
  }
}
