import assert from 'node:assert/strict';
import { uuidv7 } from '../src/uuid.js';

describe('an id made by the service', () => {
  it('is a UUID of version 7 and the standard variant', () => {
    assert.match(uuidv7(), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('begins with its time, so that later ones sort later', () => {
    // The example of RFC 9562, A.6.
    assert.equal(uuidv7(0x017f22e279b0).slice(0, 13), '017f22e2-79b0');
    assert.ok(uuidv7(1) < uuidv7(2));
  });

  it('is not given twice', () => {
    const ids = new Set(Array.from({ length: 10_000 }, () => uuidv7(1)));
    assert.equal(ids.size, 10_000);
  });
});
