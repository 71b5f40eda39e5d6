import assert from 'node:assert/strict';
import { Turns } from '../src/turns.js';
import { Gate } from './support/backends.js';

describe('Turns', () => {
  it('are taken one after the other, in the order of the calls', async () => {
    const turns = new Turns();
    const gates = [new Gate(), new Gate()];
    const begun: number[] = [];
    const all = gates.map((gate, index) =>
      turns.take(async () => {
        begun.push(index);
        await gate.pass();
        return index;
      }),
    );
    await gates[0]!.reached;
    assert.deepEqual(begun, [0]);
    gates[0]!.open();
    await gates[1]!.reached;
    gates[1]!.open();
    assert.deepEqual(await Promise.all(all), [0, 1]);
  });

  it('go on after one that failed, of which only who took it is told', async () => {
    const turns = new Turns();
    const failing = turns.take(() => Promise.reject(new Error('no')));
    const next = turns.take(() => Promise.resolve('done'));
    await assert.rejects(failing, /no/);
    assert.equal(await next, 'done');
  });
});
