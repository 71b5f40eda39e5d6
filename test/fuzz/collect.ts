/**
 * Loaded into the node that is fuzzed, which runs with `--expose-gc`: at each SIGUSR2 it tells what
 * is in use once all garbage is collected, also what only weak references have held until then.
 */
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  setImmediate(() => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    process.stdout.write(`in use: ${String(heapUsed + external)}\n`);
  });
});
