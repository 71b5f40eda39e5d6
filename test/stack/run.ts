import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { withStack, type Stack } from './stack.js';

/**
 * Runs the tests that need the real servers, and starts these for them. Its arguments are mocha's;
 * its exit code is mocha's, or 1 where it does not come to that.
 */
async function main(): Promise<number> {
  return withStack(false, async (stack, signal) => {
    const code = await mocha(stack, signal);
    if (code !== 0) {
      process.stderr.write(`${await stack.logs()}\n`);
    }
    return code;
  });
}

async function mocha({ env }: Stack, signal: AbortSignal): Promise<number> {
  const program = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
  const args = [program, 'dist/test/**/*.stack.js', ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, ...env },
    signal,
    // The one that it passes on to the process in which it runs the tests.
    killSignal: 'SIGINT',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  },
);
