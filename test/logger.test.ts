import assert from 'node:assert/strict';
import { mock } from 'node:test';
import pino from 'pino';
import { logger, setLevel } from '../src/logger.js';

describe('The logger', () => {
  const lines: string[] = [];
  const stream = (logger as unknown as Record<symbol, { write(line: string): void }>)[
    pino.symbols.streamSym
  ]!;
  let before: string;

  beforeEach(() => {
    before = logger.level;
    lines.length = 0;
    mock.method(stream, 'write', (line: string) => lines.push(line));
  });

  afterEach(() => {
    mock.restoreAll();
    logger.level = before;
  });

  it('writes one line of JSON: level, time, what it was told, and nothing of the machine', () => {
    setLevel('info');
    logger.info({ correlationId: 'c', workspaceId: 'w' }, 'a "message"\nof two lines');
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^[^\n]+\n$/);
    const { time, ...rest } = JSON.parse(lines[0]!);
    assert.equal(new Date(time as string).toISOString(), time);
    assert.deepEqual(rest, {
      level: 'info',
      correlationId: 'c',
      workspaceId: 'w',
      msg: 'a "message"\nof two lines',
    });
  });

  it('writes errors with their stack', () => {
    setLevel('error');
    logger.error({ err: new TypeError('no') }, 'failed');
    const { err } = JSON.parse(lines[0]!);
    assert.deepEqual([err.type, err.message], ['TypeError', 'no']);
    assert.match(err.stack, /logger\.test/);
  });

  it('writes what is at its level or above it, which can be changed while it runs', () => {
    const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
    for (const [index, level] of [...levels, 'silent' as const].entries()) {
      setLevel(level);
      lines.length = 0;
      levels.forEach((each) => {
        logger[each](each);
      });
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).msg as string),
        levels.slice(index),
      );
    }
  });
});
