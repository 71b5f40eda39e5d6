/** The service, which on SIGUSR2 prints how much memory is in use once all garbage is gone. */
import '../../src/main.js';

const collect = globalThis.gc;
if (!collect) {
  throw new Error('run it with --expose-gc');
}

process.on('SIGUSR2', () => {
  collect();
  // What the first collection has let go of may itself have held buffers.
  setImmediate(() => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    process.stdout.write(`bytes in use: ${heapUsed + external};\n`);
  });
});
