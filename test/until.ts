const EVERY_MS = 5;

/** What holds at once as a rule, on a machine that stands still for some seconds now and then. */
const TIMEOUT_MS = 20_000;

/**
 * Waits until a condition holds and gives what it found; the one place in the tests that sleeps.
 *
 * @param find Tells whether it holds: anything but `undefined` and `false` is what was waited for.
 * @throws Error naming what was waited for, after `timeoutMs`.
 */
export async function until<T>(
  what: string,
  find: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = TIMEOUT_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${String(timeoutMs)} ms in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

/** Lets so much time pass. */
export async function moment(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until('its time has come', () => performance.now() >= end, ms + 10_000);
}
