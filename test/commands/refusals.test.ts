import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock } from 'node:test';
import type { Taker } from '../../src/commands/quotas.js';
import { Refusals } from '../../src/commands/refusals.js';

const of = (userId: string, workspace = 'w'): Taker => ({
  workspace,
  caller: { superadmin: false, userId },
});
const ALICE = of('alice');

describe('Refusals', () => {
  let refusals: Refusals;
  /** In ms, since the begin of a test. */
  let now: number;
  /** When those were told that were held, in order. */
  let told: number[];

  beforeEach(() => {
    refusals = new Refusals();
    now = 0;
    told = [];
    mock.method(performance, 'now', () => now);
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(() => {
    mock.timers.reset();
    mock.restoreAll();
  });

  function hold(count: number, taker = ALICE, client = new EventEmitter()): void {
    client.setMaxListeners(0);
    for (let n = 0; n < count; n++) {
      void refusals.hold(taker, client).then(() => told.push(now));
    }
  }

  async function passes(ms: number): Promise<void> {
    for (const end = now + ms; now < end;) {
      now += 10;
      mock.timers.tick(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const toldIn = (from: number, to: number): number =>
    told.filter((at) => at > from && at <= to).length;

  it('are told one to two seconds late', async () => {
    hold(10);
    await passes(990);
    assert.equal(told.length, 0);
    await passes(1010);
    assert.equal(told.length, 10);
    assert.ok(new Set(told).size > 1, 'all of them at once');
  });

  it('of one caller are ten a second, over however many connections', async () => {
    hold(100);
    await passes(12_000);
    assert.equal(told.length, 100);
    for (let second = 0; second < 10; second++) {
      const count = toldIn(second * 1000, (second + 1) * 1000);
      assert.ok(count <= 20, `${String(count)} in second ${String(second)}`);
    }
    assert.ok(toldIn(0, 6000) <= 60, `${String(toldIn(0, 6000))} in six seconds`);
  });

  it('make no other caller wait, nor the same one in another workspace', async () => {
    hold(100);
    await passes(500);
    hold(1, of('bob'));
    hold(1, of('alice', 'other'));
    const before = told.length;
    await passes(2000);
    assert.ok(told.length >= before + 2);
  });

  it('wait for their turn no longer than twenty seconds, and nobody afterwards', async () => {
    hold(1000);
    await passes(22_000);
    assert.equal(told.length, 1000);
    now += 2000;
    told = [];
    hold(1);
    await passes(2000);
    assert.equal(told.length, 1);
  });

  it('are over where the client goes, and give their turn back', async () => {
    const client = new EventEmitter();
    hold(300, ALICE, client);
    client.emit('close');
    await passes(10);
    assert.equal(told.length, 300);
    assert.equal(client.listenerCount('close'), 0);
    hold(1);
    await passes(2000);
    assert.equal(told.length, 301);
    hold(1, ALICE, Object.assign(new EventEmitter(), { closed: true }));
    await passes(10);
    assert.equal(told.length, 302);
  });

  it('are told at once when the node stops', async () => {
    hold(3);
    refusals.close();
    hold(1);
    await passes(10);
    assert.equal(told.length, 4);
  });
});
