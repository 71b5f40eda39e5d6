import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { blocks } from './markdown.js';

/** Commands, and the answer that is shown below them. */
export interface Step {
  readonly name: string;
  readonly script: string;
  readonly expected: { readonly language: string; readonly text: string } | undefined;
}

/** Stands in an expectation for what differs each time, or is left out. */
const OPEN = '…';

const SEPARATOR = '--- end of step ---';

/** The blocks of `sh` with a mark, each with the block of another language behind it. */
export function stepsOf(markdown: string, mark: string): Step[] {
  const all = blocks(markdown);
  return all.flatMap((block, index) => {
    if (block.language !== 'sh' || block.mark !== mark) {
      return [];
    }
    const next = all[index + 1];
    const expected = next && next.language !== 'sh' ? next : undefined;
    return [{ name: `${block.heading} (block ${index + 1})`, script: block.text, expected }];
  });
}

/** Runs the steps in one shell, as a reader does, and gives what each has printed. */
export async function run(steps: readonly Step[], cwd: string): Promise<string[]> {
  const script = steps.map((step) => `${step.script}\nprintf '\\n${SEPARATOR}\\n'`).join('\n');
  const shell = spawn('bash', ['-c', script], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(shell, 'exit');
  const output = await text(shell.stdout);
  await exited;
  // A reader does not see with what a line ends.
  return output.replaceAll('\r\n', '\n').split(`\n${SEPARATOR}\n`);
}

/** @throws AssertionError unless a step has printed what is shown. */
export function check(
  printed: string,
  { language, text: shown }: NonNullable<Step['expected']>,
): void {
  if (language === 'json') {
    const expected = JSON.parse(shown) as unknown;
    assert.deepEqual(masked(JSON.parse(printed), expected), expected);
  } else {
    assert.equal(masked(printed.trim(), shown.trim()), shown.trim());
  }
}

/** What was found, with the places opened that the expectation leaves open. */
export function masked(found: unknown, expected: unknown): unknown {
  if (typeof found === 'string' && typeof expected === 'string') {
    const parts = expected.split(OPEN).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    return new RegExp(`^${parts.join('[^]*?')}$`).test(found) ? expected : found;
  }
  if (Array.isArray(found) && Array.isArray(expected)) {
    return found.map((item, index) => masked(item, expected[index]));
  }
  if (isObject(found) && isObject(expected)) {
    const keys = Object.keys(OPEN in expected ? expected : found);
    return Object.fromEntries(
      keys.map((key) => [key, key === OPEN ? OPEN : masked(found[key], expected[key])]),
    );
  }
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
