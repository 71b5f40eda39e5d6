import assert from 'node:assert/strict';
import { msOf, policyOf } from '../src/retention.js';

const HOUR_MS = 3_600_000;

describe('The retention of a workspace', () => {
  const defaults = { log: { maxAgeMs: 7, maxBytes: 8 }, history: { maxAgeMs: 9 } };

  it('is what it says itself, in hours or fractions of them', () => {
    const config = { log: { hours: 168, bytes: 1_048_576 }, history: { hours: 0.5 } };
    assert.deepEqual(policyOf(config, defaults), {
      log: { maxAgeMs: 168 * HOUR_MS, maxBytes: 1_048_576 },
      history: { maxAgeMs: HOUR_MS / 2 },
    });
  });

  it('is what the service decides, where it says nothing', () => {
    assert.deepEqual(policyOf({}, defaults), defaults);
    assert.deepEqual(policyOf({ log: { bytes: 5 } }, defaults), {
      ...defaults,
      log: { maxAgeMs: 7, maxBytes: 5 },
    });
  });

  it('is for ever where it says so, and where nobody says anything', () => {
    const forEver = { log: {}, history: {} };
    const config = { log: { hours: null, bytes: null }, history: { hours: null } };
    assert.deepEqual(policyOf(config, defaults), forEver);
    assert.deepEqual(policyOf({}, {}), forEver);
  });

  it('is never a part of a millisecond shorter than said', () => {
    assert.equal(msOf(1 / 3_600_000), 1);
    assert.equal(msOf(1.5 / 3_600_000), 2);
  });
});
