/** Numbers in [0, 1), the same ones for the same seed (mulberry32, by T. Ettinger). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Another one for every run, unless the environment names one: that of a run that has failed. */
export function seed(): number {
  return Number(process.env.SEED ?? Date.now() % 2 ** 31);
}
