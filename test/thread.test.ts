import assert from 'node:assert/strict';
import { ServiceError } from '../src/errors.js';
import { moving, Thread } from '../src/thread.js';
import type { Numbers } from './thread.worker.js';

describe('a thread', () => {
  let thread: Thread<Numbers>;

  const start = (workerData?: string): Thread<Numbers> =>
    new Thread(new URL('./thread.worker.js', import.meta.url), workerData);

  beforeEach(() => {
    thread = start();
  });

  afterEach(() => thread.terminate());

  it('answers each call with its own result', async () => {
    const calls = [thread.call('slowly', 'a'), thread.call('add', 1, 2), thread.call('add', 3, 4)];
    assert.deepEqual(await Promise.all(calls), ['a', 3, 7]);
  });

  it('hands errors over as they were thrown, with what a caller is told', async () => {
    await assert.rejects(thread.call('refuse'), (error) => {
      assert.ok(error instanceof ServiceError);
      const { code, message, errors, retryAfterSeconds } = error;
      assert.deepEqual([code, message, retryAfterSeconds], ['invalid-filter', 'no such field', 3]);
      assert.deepEqual(errors, [{ path: '/a', message: 'is unknown' }]);
      return true;
    });
    await assert.rejects(thread.call('stumble'), (error) => {
      assert.ok(error instanceof Error && !(error instanceof ServiceError));
      assert.equal(error.message, 'too far');
      assert.match(error.stack!, /thread\.worker/);
      return true;
    });
    assert.equal(await thread.call('add', 1, 2), 3);
  });

  it('moves buffers instead of copying them, both ways', async () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const doubled = await thread.call('double', moving(bytes, [bytes.buffer]));
    assert.deepEqual([...doubled], [2, 4, 6]);
    assert.deepEqual([bytes.byteLength, await thread.call('bytesLeft')], [0, 0]);
  });

  for (const [fault, message] of [
    ['violate', /two and two are five/],
    ['leave', /ended with code 3/],
  ] as const) {
    it(`that has died (${fault}) is unavailable, for waiting and later calls`, async () => {
      await thread.call('add', 1, 2);
      const unavailable = { code: 'unavailable' };
      await Promise.all([
        assert.rejects(thread.call(fault), unavailable),
        assert.rejects(thread.call('slowly', 'a'), unavailable),
      ]);
      await assert.rejects(thread.call('add', 1, 2), unavailable);
      assert.match((await thread.died).message, message);
    });
  }

  it('that cannot start says why', async () => {
    const broken = start('fails to start');
    const why = { message: 'the folder is in use' };
    await assert.rejects(broken.call('add', 1, 2), why);
    await assert.rejects(broken.call('add', 1, 2), why);
  });

  it('that is terminated has not died; its calls fail', async () => {
    const call = thread.call('slowly', 'a');
    await Promise.all([assert.rejects(call, { code: 'unavailable' }), thread.terminate()]);
    await assert.rejects(thread.call('add', 1, 2), { code: 'unavailable' });
    const told = await Promise.race([thread.died, Promise.resolve('alive')]);
    assert.equal(told, 'alive');
  });
});
