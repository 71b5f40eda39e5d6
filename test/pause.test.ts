import assert from 'node:assert/strict';
import { pause } from '../src/pause.js';

const LONG_MS = 2 ** 31 - 1;

describe('A pause', () => {
  it('lasts as long as it is told', async () => {
    const began = performance.now();
    await pause(20);
    // Timers count in whole milliseconds.
    assert.ok(performance.now() - began >= 19);
  });

  it('ends without an error as soon as its signal aborts, or when it has', async () => {
    const ending = new AbortController();
    const pausing = pause(LONG_MS, ending.signal);
    ending.abort();
    await assert.doesNotReject(pausing);
    await assert.doesNotReject(pause(LONG_MS, ending.signal));
  });
});
