import assert from 'node:assert/strict';
import { Arrivals, type Arrived } from '../../src/transport/arrivals.js';
import { until } from '../until.js';

const frame = (text: string): Arrived => ({ bytes: Buffer.from(text), isBinary: false });
const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
const upTo = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n));

describe('The frames of a WebSocket', () => {
  /** What was looked at, in order. */
  let seen: string[];
  beforeEach(() => {
    seen = [];
  });

  const look = (frame: Arrived): Promise<void> => {
    seen.push(frame.bytes.toString());
    return Promise.resolve();
  };
  const busy = (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      // It takes that long.
    }
  };

  it('are looked at one after the other, in order', async () => {
    const ends: (() => void)[] = [];
    const arrivals = new Arrivals(
      async (frame) => {
        await look(frame);
        await new Promise<void>((resolve) => ends.push(resolve));
      },
      () => undefined,
    );
    for (const text of upTo(3)) {
      arrivals.add(frame(text));
    }
    for (const count of [1, 2, 3]) {
      await until('the next is looked at', () => ends.length === count);
      assert.deepEqual(seen, upTo(count));
      ends.at(-1)!();
    }
  });

  it('that come at once let others have their turn, and nothing is read meanwhile', async () => {
    const told: boolean[] = [];
    const arrivals = new Arrivals(
      (frame) => {
        busy(0.2);
        return look(frame);
      },
      () => told.push(arrivals.isFull),
    );
    for (const text of upTo(100)) {
      arrivals.add(frame(text));
    }
    await turn();
    assert.ok(seen.length > 0 && seen.length < 50, `${String(seen.length)} in one turn`);
    assert.ok(arrivals.isFull);
    await until('all are looked at', () => seen.length === 100);
    assert.deepEqual(seen, upTo(100));
    await until('it is read on', () => !arrivals.isFull);
    assert.ok(told.includes(true));
    assert.equal(told.at(-1), false);
  });

  it('behind one that was refused wait, and are forgotten where the client goes', async () => {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const arrivals: Arrivals = new Arrivals(
      (frame) => {
        arrivals.hold(held);
        return look(frame);
      },
      () => undefined,
    );
    for (const text of upTo(3)) {
      arrivals.add(frame(text));
    }
    await turn();
    assert.ok(arrivals.isFull);
    assert.deepEqual(seen, ['0']);
    arrivals.close();
    release();
    await turn();
    assert.ok(!arrivals.isFull);
    assert.deepEqual(seen, ['0']);
  });
});
