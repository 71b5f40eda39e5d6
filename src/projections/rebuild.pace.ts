import { pause } from '../pause.js';
import { Turns } from '../turns.js';
import type { Budget } from './budget.js';

/** A write that took long did so because much else is to be done; but a stop waits for the rest. */
const REST_MS_MAX = 1_000;

/**
 * The pace at which a node rebuilds histories: one write at a time, whichever history it is of, and
 * a rest after it, so that the store has half of its time at least for what is emitted.
 */
export class RebuildPace {
  readonly #budget: Budget;
  readonly #turns = new Turns();

  /** @param budget What all projections may write at the same time. */
  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** @param rest How long, as many times as the write itself has taken. */
  spend<T>(bytes: number, write: () => Promise<T>, rest: number): Promise<T> {
    return this.#turns.take(async () => {
      const began = performance.now();
      const result = await this.#budget.spend(bytes, write);
      await pause(Math.min((performance.now() - began) * rest, REST_MS_MAX));
      return result;
    });
  }
}
