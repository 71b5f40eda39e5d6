import assert from 'node:assert/strict';
import { instant } from '../src/instant.js';

describe('An instant', () => {
  const same: [policy: string, text: string, iso: string][] = [
    ['is a date-time', '2001-01-15T08:30:00Z', '2001-01-15T08:30:00.000Z'],
    ['is a date, from its midnight in UTC', '2001-01-15', '2001-01-15T00:00:00.000Z'],
    ['has an offset', '2001-01-15T00:30:00+01:00', '2001-01-14T23:30:00.000Z'],
    ['has the offset of an unknown place', '2001-01-15T00:30:00-00:00', '2001-01-15T00:30:00.000Z'],
    ['may be written in lower case', '2001-01-15t08:30:00z', '2001-01-15T08:30:00.000Z'],
    ['may have a space, for readability', '2001-01-15 08:30:00Z', '2001-01-15T08:30:00.000Z'],
    ['is cut to milliseconds', '2001-01-15T08:30:00.1239999Z', '2001-01-15T08:30:00.123Z'],
    ['is cut, not rounded, before 1970', '1960-01-01T00:00:00.9999Z', '1960-01-01T00:00:00.999Z'],
    ['knows leap years', '2000-02-29', '2000-02-29T00:00:00.000Z'],
    ['takes a leap second for the next', '1998-12-31T23:59:60.5Z', '1999-01-01T00:00:00.500Z'],
    ['knows the first century', '0099-12-31', '0099-12-31T00:00:00.000Z'],
  ];
  for (const [policy, text, iso] of same) {
    it(policy, () => {
      assert.equal(new Date(instant(text)).toISOString(), iso);
    });
  }

  for (const text of [
    '',
    '2001',
    '2001-01',
    '2001-1-15',
    '2001-13-01',
    '2001-00-01',
    '2001-01-00',
    '2001-01-32',
    '2001-02-29',
    '1900-02-29',
    '2001-04-31',
    '2001-01-15T08:30Z',
    '2001-01-15T08:30:00',
    '2001-01-15T24:00:00Z',
    '2001-01-15T08:60:00Z',
    '2001-01-15T08:30:61Z',
    '2001-01-15T08:30:00.Z',
    '2001-01-15T08:30:00+1:00',
    '2001-01-15T08:30:00+24:00',
    '2001-01-15T08:30:00Z\n',
    ' 2001-01-15',
    '+002001-01-15',
    'January 15, 2001',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      assert.ok(Number.isNaN(instant(text)));
    });
  }
});
