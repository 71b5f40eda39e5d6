import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { counted, Display, lasting, Rate } from '../src/rebuild.progress.js';
import { until } from './until.js';

describe('The progress of a rebuild', () => {
  it('has a rate once two moments are known, and the time that is left by it', () => {
    const rate = new Rate();
    assert.equal(rate.after({ done: 100, total: 1100 }, 0), undefined);
    const told = rate.after({ done: 300, total: 1100 }, 1_000);
    assert.deepEqual(told, { perSecond: 200, restSeconds: 4 });
  });

  it('has none while nothing is done', () => {
    const rate = new Rate();
    for (const at of [0, 0, 1_000]) {
      assert.equal(rate.after({ done: 100, total: 1100 }, at), undefined);
    }
  });

  it('has the rate of the last seconds, not of all there were', () => {
    const rate = new Rate();
    for (let second = 0; second <= 60; second++) {
      rate.after({ done: 0, total: 10_000 }, second * 1_000);
    }
    for (let second = 61; second <= 75; second++) {
      rate.after({ done: (second - 60) * 100, total: 10_000 }, second * 1_000);
    }
    const told = rate.after({ done: 1_600, total: 10_000 }, 76_000);
    assert.deepEqual(told, { perSecond: 100, restSeconds: 84 });
  });

  it('says numbers and times as people do', () => {
    assert.equal(counted(1_234_567.8), '1,234,568');
    assert.deepEqual([0, 0.2, 59, 60, 3_599.5, 3_600, 90_061].map(lasting), [
      '0 s',
      '1 s',
      '59 s',
      '1 min 0 s',
      '1 h 0 min',
      '1 h 0 min',
      '25 h 1 min',
    ]);
  });

  for (const isTTY of [true, false]) {
    it(`is shown ${isTTY ? 'as a bar on a terminal' : 'line by line elsewhere'}`, async () => {
      let written = '';
      const stream = new PassThrough();
      stream.on('data', (chunk: Buffer) => {
        written += chunk.toString();
      });
      const terminal = Object.assign(stream, { isTTY, columns: 120, rows: 40 });
      const display = new Display('shop', terminal as unknown as NodeJS.WriteStream);
      display.tell('waiting');
      display.show({ generation: 1, done: 250, total: 1000 });
      display.show({ generation: 1, done: 500, total: 1000 });
      display.end();
      await until('the end is drawn', () => written.includes('50 %'));
      assert.match(written, /0 %, 0 of 0, waiting/);
      assert.match(written, /50 %, 500 of 1,000, [\d,]+\/s, \d+ s left/);
      assert.equal(written.includes('█'), isTTY);
      assert.equal(written.split('\n').length > 2, !isTTY);
    });
  }
});
