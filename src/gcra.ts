/** What may be taken at once is what the rate gives in this time: a quota by the second is one. */
const BURST_MS = 1000;
/** Of amounts that add up to the burst, in floating point. */
const ROUNDING_MS = 0.001;
/** Idle keys are looked for when there are so many, or twice as many as were busy the last time. */
const KEYS_MIN = 1000;

/**
 * How much is taken by each key, by the generic cell rate algorithm (ITU-T I.371, annex A): of a
 * key one number is known, when all that it has taken is through at its rate. Room comes back
 * evenly, and not for everybody at the begin of a second, so who takes all that there is does not
 * take it all at once, but for the first time.
 */
export class Gcra {
  readonly #now: () => number;
  /** In ms; who is not in here is through with all. */
  readonly #throughAt = new Map<string, number>();
  #keysMax = KEYS_MIN;

  /** @param now In ms, by a clock that is never set. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many keys are known. */
  get size(): number {
    return this.#throughAt.size;
  }

  /** In how many ms there is room for one; 0 if there is. */
  waitMs(key: string, perSecond: number): number {
    const backlogMs = (this.#throughAt.get(key) ?? 0) - this.#now();
    const waitMs = backlogMs - BURST_MS + BURST_MS / perSecond;
    return waitMs > ROUNDING_MS ? waitMs : 0;
  }

  /** Takes so much, whether there is room for it or not, or gives it back where it is negative. */
  take(key: string, perSecond: number, amount: number): void {
    const now = this.#now();
    const from = Math.max(this.#throughAt.get(key) ?? 0, now);
    this.#throughAt.set(key, from + (amount / perSecond) * BURST_MS);
    if (this.#throughAt.size > this.#keysMax) {
      this.#forgetIdle(now);
    }
  }

  /** Twice as many may come until the next time, so that it costs next to nothing for each. */
  #forgetIdle(now: number): void {
    for (const [key, throughAt] of this.#throughAt) {
      if (throughAt <= now) {
        this.#throughAt.delete(key);
      }
    }
    this.#keysMax = Math.max(KEYS_MIN, 2 * this.#throughAt.size);
  }
}
