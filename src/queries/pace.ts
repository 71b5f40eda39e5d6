import { setTimeout as delay } from 'node:timers/promises';
import type { Event } from '../event.js';
import { instant } from '../instant.js';

/** The longest delay that a timer takes; longer pauses are waited for in parts. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Replays events in the rhythm in which they happened, `speed` times as fast. */
export class Pacer {
  readonly #speed: number;
  readonly #signal: AbortSignal;
  #startedAt = 0;
  #firstTime: number | undefined;

  constructor(speed: number, signal: AbortSignal) {
    this.#speed = speed;
    this.#signal = signal;
  }

  /** Resolves when an event is due: at once for the first one and for one out of order. */
  async due(event: Event): Promise<void> {
    const time = instant(event.time);
    if (this.#firstTime === undefined) {
      this.#firstTime = time;
      this.#startedAt = performance.now();
    }
    const at = this.#startedAt + (time - this.#firstTime) / this.#speed;
    for (let left = at - performance.now(); left > 0; left = at - performance.now()) {
      await delay(Math.min(left, TIMER_MS_MAX), undefined, { signal: this.#signal });
    }
  }
}
