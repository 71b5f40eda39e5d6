import assert from 'node:assert/strict';
import { assertEmits, authorise } from '../../src/commands/authorise.js';
import type { Event } from '../../src/event.js';
import type { Role } from '../../src/policy.roles.js';
import { parseFilter, type Filter } from '../../src/queries/filter.js';
import { recorded } from '../projections/recorded.js';

const role = (emit: Filter | undefined): Role => ({ read: undefined, emit, manage: new Set() });
const event = (parts: Partial<Event>): Event => recorded(0, parts).event;
const forbidden = { code: 'forbidden', message: /this event of type order\.sent/ };

describe('A role that may emit', () => {
  it('nothing, may not emit into the workspace at all', () => {
    assert.throws(() => assertEmits(role(undefined), 'w'), { code: 'forbidden', message: /w\.$/ });
  });

  it('anything, may emit anything', () => {
    const allowed = assertEmits(role(parseFilter({})), 'w');
    assert.doesNotThrow(() => {
      authorise(allowed, event({ type: 'order.sent' }));
    });
  });

  it('some events, may emit those and no others', () => {
    const filter = parseFilter({
      type: 'order.*',
      'source.userId': 'u1',
      'payload.total': { lt: 9 },
    });
    const allowed = assertEmits(role(filter), 'w');
    const by = (userId: string): Event['source'] => ({ ...event({}).source, userId });
    const type = 'order.sent';
    // Twice, since the filter is compiled at the first event.
    for (const total of [1, 8]) {
      authorise(allowed, event({ type, source: by('u1'), payload: { total } }));
    }
    for (const parts of [
      { type, source: by('u2'), payload: { total: 1 } },
      { type, source: by('u1'), payload: { total: 9 } },
      { type, source: by('u1'), payload: {} },
      { type, payload: { total: 1, source: { userId: 'u1' } } },
    ]) {
      assert.throws(() => {
        authorise(allowed, event(parts));
      }, forbidden);
    }
  });

  it('what is not at a place in the log, may emit what has none yet', () => {
    assert.doesNotThrow(() => {
      authorise(parseFilter({ position: { lt: 0 } }), event({}));
    });
  });
});
