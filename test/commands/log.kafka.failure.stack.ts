import assert from 'node:assert/strict';
import type { EventLog } from '../../src/commands/log.js';
import { BEFORE_FIRST } from '../../src/event.js';
import { logger } from '../../src/logger.js';
import { until } from '../until.js';
import { follower, logOptions, withKafkaLogs } from './log.kafka.setup.js';
import { Proxy } from './log.kafka.proxy.js';
import { numbered, numbersOf, range, readAll, sealed, sealedBytes } from './sealed.js';

const MIB = 1024 * 1024;

/** Short, so that what is not answered is over soon. */
const WAIT_MS = 1500;

const UNAVAILABLE = { code: 'unavailable', retryAfterSeconds: 1 };

describe('the Kafka log, when Kafka does not answer', () => {
  const open = withKafkaLogs();
  const { topicPrefix } = logOptions();
  let proxy: Proxy;
  let log: EventLog;
  let ended: AbortController;

  beforeEach(async () => {
    logger.level = 'silent';
    proxy = await Proxy.open();
    log = await open({ topicPrefix, brokers: [proxy.address], waitMs: WAIT_MS });
    await log.create('w', {});
    ended = new AbortController();
  });

  afterEach(async () => {
    ended.abort();
    await log.close();
    await proxy.close();
  });

  it('has an append once that was written though its answer got lost', async () => {
    await log.append('w', [sealed(0)]);
    for (const n of range(1, 6)) {
      proxy.loseAnswer();
      assert.equal(await log.append('w', [sealed(n)]), n);
    }
    assert.deepEqual(numbersOf(await readAll(log, 'w')), range(0, 6));
  });

  it('never takes an append for the one before, whose outcome it does not know', async () => {
    await log.append('w', [sealed(0)]);
    proxy.swallowAnswers();
    await assert.rejects(log.append('w', [sealed(1)]), UNAVAILABLE);
    proxy.restore();
    // With the sequence number of the one before, the broker would throw it away.
    const position = await log.append('w', [sealed(2)]);
    const records = await readAll(log, 'w');
    assert.deepEqual(numbersOf(records), [0, 1, 2]);
    assert.equal(records[2]!.position, position);
  });

  it('keeps nobody waiting for long, and works when the broker is back', async () => {
    await log.append('w', [sealed(0)]);
    for (const fail of ['swallowAnswers', 'refuse'] as const) {
      proxy[fail]();
      const began = performance.now();
      const calls = [
        ...range(0, 20).map(() => log.append('w', [sealed(1)])),
        log.read('w', BEFORE_FIRST, MIB),
        log.bounds('w'),
        log.seek('w', 0),
        log.create('w-2', {}),
      ];
      await Promise.all(calls.map((call) => assert.rejects(call, UNAVAILABLE)));
      const waitedMs = performance.now() - began;
      assert.ok(waitedMs < 2 * WAIT_MS, `waited ${String(waitedMs)} ms`);
      proxy.restore();
      await until('it is back', () =>
        log.append('w', [sealed(2)]).then(
          () => true,
          () => false,
        ),
      );
    }
    assert.equal(numbersOf(await readAll(log, 'w')).at(-1), 2);
  });

  it('is not opened where there is no broker', async () => {
    proxy.refuse();
    await assert.rejects(open({ brokers: [proxy.address], waitMs: WAIT_MS }), UNAVAILABLE);
  });

  it('is opened by any of the brokers, also after one that is stalled', async () => {
    proxy.swallowAnswers();
    const other = await Proxy.open();
    const brokers = [proxy.address, other.address];
    const own = await open({ topicPrefix, brokers, waitMs: WAIT_MS });
    assert.equal(await own.append('w', [sealed(0)]), 0);
    await own.close();
    await other.close();
  });

  it('follows on by itself after the broker was away, with no gap and no duplicate', async () => {
    const direct = await open({ topicPrefix });
    const followers = range(0, 20).map(() => follower(log, 'w', BEFORE_FIRST, ended.signal));
    const seen = followers.map(() => [] as number[]);
    const running = followers.map(async (each, index) => {
      for (;;) {
        const { value } = await each.next();
        if (!value) {
          return;
        }
        seen[index]!.push(...numbersOf([...value.records]));
      }
    });
    let appended = 0;
    for (const fail of ['swallowAnswers', 'refuse', 'restore'] as const) {
      await direct.append('w', numbered(appended, appended + 5));
      proxy[fail]();
      await direct.append('w', numbered(appended + 5, appended + 10));
      appended += 10;
      proxy.restore();
      const all = range(0, appended);
      await until('all have seen all', () => seen.every(({ length }) => length >= all.length));
      assert.deepEqual(
        seen,
        followers.map(() => all),
      );
    }
    ended.abort();
    await Promise.all(running);
  });

  it('ends a follower that is aborted while the broker does not answer', async () => {
    await log.append('w', [sealed(0)]);
    const behind = follower(log, 'w', BEFORE_FIRST, ended.signal);
    await behind.next();
    proxy.swallowAnswers();
    const next = behind.next();
    const began = performance.now();
    ended.abort();
    assert.equal((await next).done, true);
    assert.ok(performance.now() - began < WAIT_MS / 2);
  });

  it('holds up no workspace for others that are slow', async () => {
    const patient = await open({ topicPrefix, brokers: [proxy.address], waitMs: 4 * WAIT_MS });
    const slow = range(0, 5).map((n) => `slow-${String(n)}`);
    await Promise.all(slow.map((name) => patient.create(name, {})));
    proxy.stallAppendsTo('slow-');
    const waiting = Promise.all(
      slow.map((name) => assert.rejects(patient.append(name, [sealed(0)]), UNAVAILABLE)),
    );
    const began = performance.now();
    for (const n of range(0, 20)) {
      await patient.append('w', [sealed(n)]);
    }
    assert.ok(performance.now() - began < 2 * WAIT_MS);
    await waiting;
  });

  it('fetches nothing ahead, and holds up no follower for one that does not ask', async () => {
    await log.create('w-2', {});
    const idle = follower(log, 'w', BEFORE_FIRST, ended.signal);
    await log.append('w', [sealed(0)]);
    await idle.next();
    const direct = await open({ topicPrefix });
    for (const bytes of range(0, 8).map(() => Buffer.alloc(MIB))) {
      await direct.append('w', [sealedBytes(bytes)]);
    }
    const before = proxy.receivedBytes;
    const live = follower(log, 'w-2', BEFORE_FIRST, ended.signal);
    for (const n of range(0, 20)) {
      const next = live.next();
      await direct.append('w-2', [sealed(n)]);
      assert.deepEqual(numbersOf([...(await next).value!.records]), [n]);
    }
    assert.ok(proxy.receivedBytes - before < MIB / 2, 'of w nothing was fetched');
    assert.equal((await idle.next()).value!.records.length > 0, true);
  });

  it('names to the broker only what has changed, on no more connections for more', async () => {
    const names = range(0, 50).map((n) => `many-${String(n)}`);
    for (const name of names) {
      await log.create(name, {});
    }
    const live = names.map((name) => follower(log, name, BEFORE_FIRST, ended.signal));
    const first = live.map((each) => each.next());
    const direct = await open({ topicPrefix });
    for (const [n, name] of names.entries()) {
      await direct.append(name, [sealed(n)]);
    }
    for (const [n, each] of first.entries()) {
      assert.deepEqual(numbersOf([...(await each).value!.records]), [n]);
    }
    const coming = live.map((each) => each.next());
    // Until the main session has taken them all.
    await until('all wait', async () => {
      const before = proxy.sentBytes;
      await log.bounds('w');
      return proxy.sentBytes - before < 500;
    });
    const before = proxy.sentBytes;
    for (const n of range(0, 10)) {
      await direct.append(names[n]!, [sealed(50 + n)]);
      assert.deepEqual(numbersOf([...(await coming[n]!).value!.records]), [50 + n]);
    }
    assert.ok(proxy.sentBytes - before < 5000, `sent ${String(proxy.sentBytes - before)} bytes`);
    assert.ok(proxy.connections <= 15);
  });
});
