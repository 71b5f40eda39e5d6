import assert from 'node:assert/strict';
import { Pacer } from '../../src/queries/pace.js';
import type { Event } from '../../src/event.js';
import { recorded } from '../projections/recorded.js';

const START = Date.parse('2001-01-15T00:00:00Z');

/** An event so many milliseconds after the first one. */
const at = (ms: number): Event => recorded(0, { time: new Date(START + ms).toISOString() }).event;

describe('A replay in the original rhythm', () => {
  let closing: AbortController;

  beforeEach(() => {
    closing = new AbortController();
  });

  const pacer = (speed: number): Pacer => new Pacer(speed, closing.signal);

  /** When each event was due, in milliseconds after the first. */
  const dues = async (speed: number, events: readonly Event[]): Promise<number[]> => {
    const own = pacer(speed);
    const begin = performance.now();
    const found: number[] = [];
    for (const event of events) {
      await own.due(event);
      found.push(performance.now() - begin);
    }
    return found;
  };

  /** Whether an event need not be waited for. */
  const isDue = (own: Pacer, event: Event): Promise<boolean> =>
    Promise.race([
      own.due(event).then(() => true),
      new Promise<boolean>((resolve) => {
        setImmediate(resolve, false);
      }),
    ]);

  it('never gives an event before its time, and the first at once', async () => {
    assert.ok(await isDue(pacer(1), at(1000)));
    const [, second, third] = await dues(1, [at(0), at(30), at(60)]);
    assert.ok(second! >= 29.9 && third! >= 59.9);
  });

  it('goes so many times as fast', async () => {
    const [, second, third] = await dues(1000, [at(0), at(20_000), at(50_000)]);
    assert.ok(second! >= 19.9 && third! >= 49.9);
    const [, slow] = await dues(0.1, [at(0), at(3)]);
    assert.ok(slow! >= 29.9);
  });

  it('gives what is out of order at once, and keeps time by the first', async () => {
    const own = pacer(1);
    await own.due(at(0));
    assert.ok(await isDue(own, at(-50_000)));
    const [, , late] = await dues(1, [at(0), at(-50_000), at(40)]);
    assert.ok(late! >= 39.9);
  });

  it('reads the time as everything else does, and waits for none that it cannot read', async () => {
    const time = '2001-01-15T01:00:00.020+01:00';
    const [, second] = await dues(1, [at(0), recorded(1, { time }).event]);
    assert.ok(second! >= 19.9);
    const own = pacer(1);
    await own.due(at(0));
    assert.ok(await isDue(own, recorded(1, { time: 'long ago' }).event));
  });

  it('is broken off in a pause, however long that is', async () => {
    const own = pacer(1);
    await own.due(at(0));
    const years = own.due(at(100 * 365 * 86_400_000));
    closing.abort();
    await assert.rejects(years, { name: 'AbortError' });
  });
});
