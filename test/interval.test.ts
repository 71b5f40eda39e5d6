import assert from 'node:assert/strict';
import { isTimeZone, nextStart, startOf, zoneId, type Interval } from '../src/interval.js';

const startsOf = (interval: Interval, times: readonly string[]): string[] => {
  const start = startOf(interval);
  return times.map((time) => new Date(start(Date.parse(time))).toISOString());
};

describe('The intervals of a time zone', () => {
  it('begin at midnight, or when clocks are set forward over it', () => {
    const summer = { unit: 'day', timeZone: 'Africa/Cairo' } as const;
    assert.deepEqual(startsOf(summer, ['2024-04-26T12:00:00Z', '2024-04-25T21:59:59Z']), [
      '2024-04-25T22:00:00.000Z',
      '2024-04-24T22:00:00.000Z',
    ]);
    const start = Date.parse('2024-04-24T22:00:00Z');
    assert.equal(nextStart(summer, start), Date.parse('2024-04-25T22:00:00Z'));
  });

  it('begin with the first of two midnights, when clocks are set back over one', () => {
    const [first, next] = ['2024-11-03T04:00:00.000Z', '2024-11-04T05:00:00.000Z'];
    const times = ['2024-11-04T04:59:59.999Z', '2024-11-03T05:30:00Z', '2024-11-03T04:30:00Z'];
    const day = { unit: 'day', timeZone: 'America/Havana' } as const;
    for (const order of [times, times.toReversed()]) {
      assert.deepEqual(startsOf(day, order), [first, first, first]);
    }
    assert.deepEqual(startsOf(day, ['2024-11-03T03:59:59.999Z', next]), [
      '2024-11-02T04:00:00.000Z',
      next,
    ]);
    assert.equal(nextStart(day, Date.parse(first)), Date.parse(next));
    assert.equal(nextStart(day, Date.parse('2024-11-02T04:00:00Z')), Date.parse(first));
  });

  it('of a fixed length are counted from 1970, also before it', () => {
    const times = ['1969-12-31T23:00:00Z', '1970-01-11T00:00:00Z', '2024-01-01T00:00:00Z'];
    assert.deepEqual(startsOf({ lengthMs: 10 * 86_400_000 }, times), [
      '1969-12-22T00:00:00.000Z',
      '1970-01-11T00:00:00.000Z',
      '2023-12-29T00:00:00.000Z',
    ]);
  });
});

describe('A time zone', () => {
  it('is a name, in any case, or an offset of 18 hours at most', () => {
    for (const name of ['UTC', 'Europe/Berlin', 'america/havana', 'UTC+5:30', 'utc-3']) {
      assert.ok(isTimeZone(name), name);
    }
    for (const name of ['Europe/Nowhere', '', 'UTC+19', 'UTC+99:00', 'noon']) {
      assert.ok(!isTimeZone(name), name);
    }
  });

  it('is never that of the machine', () => {
    for (const name of ['local', 'system', 'default', 'Local']) {
      assert.ok(!isTimeZone(name), name);
    }
  });

  it('has one name', () => {
    const names = ['europe/berlin', 'UTC', 'utc', 'UTC+5:30', 'UTC-3', 'us/pacific'];
    assert.deepEqual(names.map(zoneId), [
      'Europe/Berlin',
      '+00:00',
      '+00:00',
      '+05:30',
      '-03:00',
      'America/Los_Angeles',
    ]);
  });
});
