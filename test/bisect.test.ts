import assert from 'node:assert/strict';
import { lowest } from '../src/bisect.js';

describe('Bisecting', () => {
  it('finds the lowest index that has a property, or the count where none has', () => {
    for (let count = 0; count <= 9; count++) {
      for (let from = 0; from <= count; from++) {
        assert.equal(
          lowest(count, (index) => index >= from),
          from,
        );
      }
    }
  });
});
