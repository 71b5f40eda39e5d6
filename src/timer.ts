/** Node takes a longer time for none at all. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Calls back at a time, however far away, and does not keep the process alive for it.
 *
 * @param time In epoch milliseconds.
 * @returns What keeps it from calling.
 */
export function callAt(time: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const left = time - Date.now();
    const fire = left > TIMER_MS_MAX ? arm : callback;
    timer = setTimeout(fire, Math.min(Math.max(left, 0), TIMER_MS_MAX)).unref();
  };
  arm();
  return () => {
    clearTimeout(timer);
  };
}
