import assert from 'node:assert/strict';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { scoped } from '../../src/queries/scope.js';

const ADMIN = { superadmin: true };
const STRANGER = { superadmin: false, userId: 'u1' };

describe('The scope of a caller', () => {
  it('narrows nothing for who may read everything', () => {
    for (const workspace of ['w', '_system']) {
      const asked = parseFilter({ type: 'order.*' });
      assert.deepEqual(scoped(ADMIN, workspace, asked, undefined), asked);
      assert.deepEqual(scoped(ADMIN, workspace, EVERYTHING, undefined), EVERYTHING);
    }
  });

  it('refuses who may read nothing, whatever is asked', () => {
    for (const workspace of ['w', '_system']) {
      for (const asked of [EVERYTHING, parseFilter({ 'source.userId': 'u1' })]) {
        assert.throws(() => scoped(STRANGER, workspace, asked, undefined), {
          code: 'forbidden',
          message: `You may not read the workspace ${workspace}.`,
        });
      }
    }
  });
});
