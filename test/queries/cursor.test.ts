import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ServiceError } from '../../src/errors.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { formatCursor, parseCursor } from '../../src/queries/cursor.js';

describe('A cursor', () => {
  it('comes back as it went out', () => {
    const epochs = fc.stringMatching(/^[0-9a-z]{8}$/);
    const positions = fc.oneof(fc.constant(-1), fc.nat(), fc.constant(2 ** 33 - 1));
    fc.assert(
      fc.property(epochs, positions, (epoch, place) => {
        const position = place as Position;
        assert.deepEqual(parseCursor(formatCursor(epoch, position), 'after'), { epoch, position });
      }),
      { seed: 5 },
    );
  });

  it('reads as epoch and position, with a word for the place before all events', () => {
    assert.equal(formatCursor('a1b2c3d4', 17 as Position), 'a1b2c3d4-17');
    assert.equal(formatCursor('a1b2c3d4', BEFORE_FIRST), 'a1b2c3d4-start');
  });

  for (const text of [
    '',
    '17',
    '-17',
    'a1b2c3d4',
    'a1b2c3d4-',
    'a1b2c3d4--1',
    'a1b2c3d4-+1',
    'a1b2c3d4-1.5',
    'a1b2c3d4-1e3',
    'a1b2c3d4-0x1',
    'a1b2c3d4-1 ',
    'a1b2c3d4-1\n',
    ' a1b2c3d4-1',
    'A1B2C3D4-1',
    'a1b2c3d4-end',
    'a1-b2-3',
    'a1b2c3d4-9007199254740993',
    `${'a'.repeat(33)}-1`,
    `${'a'.repeat(1_000_000)}-1`,
  ]) {
    it(`is not ${JSON.stringify(text).slice(0, 40)}, which no server has made`, () => {
      assert.throws(
        () => parseCursor(text, 'after'),
        (error) => {
          assert.ok(error instanceof ServiceError);
          assert.equal(error.code, 'invalid-cursor');
          assert.match(error.message, /after must be a cursor/);
          assert.equal(error.errors?.[0]?.path, 'after');
          assert.ok(error.message.length < 200, 'it repeats what was sent');
          return true;
        },
      );
    });
  }
});
