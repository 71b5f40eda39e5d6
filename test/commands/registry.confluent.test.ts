import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { derivedEnvelope } from './registry.envelope.js';

describe('the schema of the records in the log', () => {
  it('is that of an event of the HTTP API', () => {
    const file = new URL('../../../schemas/event.json', import.meta.url);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), derivedEnvelope());
  });
});
