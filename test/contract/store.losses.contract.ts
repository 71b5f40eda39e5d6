import assert from 'node:assert/strict';
import type { Incarnation, Position } from '../../src/event.js';
import type { Loss } from '../../src/projections/losses.js';
import type { EventStore } from '../../src/projections/store.js';
import { incarnation } from '../projections/recorded.js';

/** What every back end of the store promises of losses. */
export function lossesContract(storeOf: () => EventStore): void {
  describe('losses', () => {
    let workspace: Incarnation;

    beforeEach(() => {
      workspace = incarnation();
    });

    const loss = (after: number, before: number): Loss => ({
      after: after as Position,
      before: before as Position,
    });
    const kept = (of = workspace): Promise<readonly Loss[]> => storeOf().losses(of);

    it('are kept together, in order, and of one workspace alone', async () => {
      assert.deepEqual(await kept(), []);
      await storeOf().lose(workspace, [loss(40, 50), loss(-1, 10)]);
      await storeOf().lose(workspace, [loss(20, 30)]);
      await storeOf().lose(workspace, []);
      assert.deepEqual(await kept(), [loss(-1, 10), loss(20, 30), loss(40, 50)]);
      await storeOf().lose(workspace, [loss(25, 45)]);
      assert.deepEqual(await kept(), [loss(-1, 10), loss(20, 50)]);
      assert.deepEqual(await kept(incarnation()), []);
    });

    it('are told again, which changes nothing', async () => {
      await storeOf().lose(workspace, [loss(3, 7)]);
      await storeOf().lose(workspace, [loss(3, 7)]);
      assert.deepEqual(await kept(), [loss(3, 7)]);
    });

    it('go with their history', async () => {
      const other = incarnation();
      await storeOf().lose(workspace, [loss(3, 7)]);
      await storeOf().lose(other, [loss(1, 4)]);
      await storeOf().drop(workspace);
      assert.deepEqual(await kept(), []);
      assert.deepEqual(await kept(other), [loss(1, 4)]);
    });
  });
}
