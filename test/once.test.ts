import assert from 'node:assert/strict';
import { once } from '../src/once.js';
import { Gate } from './support/backends.js';

describe('What is asked for while it is being done', () => {
  it('is done once for all who asked, and again for who asks later', async () => {
    const running = new Map<string, Promise<number>>();
    const gate = new Gate();
    let times = 0;
    const work = async (): Promise<number> => {
      await gate.pass();
      return ++times;
    };
    const first = [once(running, 'a', work), once(running, 'a', work)];
    const other = once(running, 'b', work);
    gate.open();
    assert.deepEqual(await Promise.all([...first, other]), [1, 1, 2]);
    assert.equal(await once(running, 'a', work), 3);
  });

  it('fails for all of them, and is tried again for who asks later', async () => {
    const running = new Map<string, Promise<void>>();
    const fail = (): Promise<void> => Promise.reject(new Error('no'));
    const all = [once(running, 'a', fail), once(running, 'a', fail)];
    for (const each of all) {
      await assert.rejects(each, /no/);
    }
    await once(running, 'a', () => Promise.resolve());
    assert.equal(running.size, 0);
  });
});
