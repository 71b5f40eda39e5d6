/** The thread of thread.test.ts. */
import assert from 'node:assert/strict';
import { workerData } from 'node:worker_threads';
import { ServiceError } from '../src/errors.js';
import { moving, serve } from '../src/thread.js';

if (workerData === 'fails to start') {
  throw new Error('the folder is in use');
}

let doubled = new Uint8Array();

const api = {
  add: (a: number, b: number) => a + b,
  slowly: async (value: string) => {
    await new Promise((resolve) => setImmediate(resolve));
    return value;
  },
  refuse: () => {
    throw new ServiceError('invalid-filter', 'no such field', {
      errors: [{ path: '/a', message: 'is unknown' }],
      retryAfterSeconds: 3,
    });
  },
  stumble: () => {
    throw new RangeError('too far');
  },
  double: (bytes: Uint8Array<ArrayBuffer>) => {
    doubled = bytes.map((byte) => 2 * byte);
    return moving(doubled, [doubled.buffer]);
  },
  bytesLeft: () => doubled.byteLength,
  violate: () => {
    assert.fail('two and two are five');
  },
  leave: () => {
    process.exit(3);
  },
};
export type Numbers = typeof api;

serve(api);
