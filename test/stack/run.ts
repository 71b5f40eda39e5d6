import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { withStack, type Stack } from './stack.js';

/**
 * What Java is told for servers that are started again and again: with the quick compiler alone
 * Elasticsearch answers after 6 s instead of 14 on two processors. Benchmarks have the other one.
 */
const QUICK_START = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC';

/**
 * Runs the tests that need the real servers, and starts these for them. Its arguments are mocha's;
 * its exit code is mocha's, or 1 where it does not come to that.
 */
async function main(): Promise<number> {
  process.env.JDK_JAVA_OPTIONS ??= QUICK_START;
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
  // In a group of its own, so that what its tests have started can be ended with it.
  const child = spawn(process.execPath, args, {
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, ...env },
  });
  const end = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch (error) {
      // Everything in it has ended by itself.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
        throw error;
      }
    }
  };
  signal.addEventListener('abort', end);
  const [code] = (await once(child, 'exit')) as [number | null];
  end();
  signal.throwIfAborted();
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
