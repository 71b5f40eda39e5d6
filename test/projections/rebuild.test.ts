import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Position, type Recorded } from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import type { Loss } from '../../src/projections/losses.js';
import type { EventStore } from '../../src/projections/store.js';
import { range, sealedBytes } from '../commands/sealed.js';
import { Gate, withMethods } from '../support/backends.js';
import { NEVER_MS, withSites, type Site } from './rebuild.site.js';

describe('A rebuild', () => {
  let site: Site;

  withSites((opened) => {
    site = opened;
  });

  /** Waits before it moves the checkpoint of the new history. */
  const advancing =
    (gate: Gate): EventStore['advance'] =>
    async (of, checkpoint) => {
      await (of.id === site.workspace.id && of.generation === 1 ? gate.pass() : undefined);
      return site.backEnds.store.advance(of, checkpoint);
    };

  it('makes a history whole that was damaged, and drops the damaged one', async () => {
    await site.historized(1000, (n) => n % 10 === 3 || n > 990);
    const damaged = site.workspace.history;
    assert.equal((await site.held()).length, 892);
    site.start();
    await site.rebuild(1);
    assert.deepEqual(await site.held(), range(0, 1000));
    assert.equal(await site.backEnds.store.checkpoint(site.workspace.history), 999);
    await site.dropped();
    assert.deepEqual(await site.held(damaged), []);
    assert.equal(await site.backEnds.store.checkpoint(damaged), BEFORE_FIRST);
  });

  it('goes on with the new history, and can be followed by another one', async () => {
    site.start();
    await site.append(0, 5);
    for (const generation of [1, 2]) {
      await site.rebuild(generation);
      await site.append(5 * generation, 5 * generation + 5);
      await site.reached(5 * generation + 4, site.workspace.history);
      assert.deepEqual(await site.held(), range(0, 5 * generation + 5));
    }
    await site.dropped();
    assert.deepEqual(await site.held(site.generation(0)), []);
    assert.deepEqual(await site.held(site.generation(1)), []);
  });

  it('of nothing is done at once', async () => {
    site.start();
    await site.rebuild(1);
    await site.append(0, 3);
    await site.reached(2, site.workspace.history);
    assert.deepEqual(await site.held(), [0, 1, 2]);
  });

  it('has from the old history what the log has forgotten, and the rest from the log', async () => {
    // Of what the log still has, the old history lacks some; of what it has not, nothing is kept.
    await site.historized(1000, (n) => n % 10 === 3 && (n > 400 || n === 393));
    await site.backEnds.log.trim(site.workspace.id, site.workspace.epoch, 395 as Position);
    site.start();
    await site.rebuild(1);
    assert.deepEqual(
      await site.held(),
      range(0, 1000).filter((n) => n !== 393),
    );
  });

  it('comes to the end also where the log has forgotten what was not to be kept', async () => {
    await site.historized(10, (n) => n >= 8);
    await site.backEnds.log.trim(site.workspace.id, site.workspace.epoch, 10 as Position);
    const lost = async (): Promise<number> => (await metrics.unhistorized.get()).values[0]!.value;
    const before = await lost();
    site.start();
    await site.rebuild(1);
    assert.equal(await site.backEnds.store.checkpoint(site.workspace.history), 9);
    assert.deepEqual(await site.held(), range(0, 8));
    assert.equal(await lost(), before);
  });

  it('does not bring back what was trimmed, neither before it began nor since', async () => {
    await site.historized(100);
    await site.trim(19);
    const gate = new Gate();
    site.start(site.holding(gate));
    await site.step('rebuilding', 1);
    await gate.reached;
    await site.trim(39);
    gate.open();
    await site.searched(1);
    assert.equal(await site.backEnds.store.trimmed(site.workspace.history), 39);
    assert.deepEqual(await site.held(), range(40, 100));
  });

  it('still tells what the old history has lost, before it began and since', async () => {
    await site.historized(100, (n) => n < 10 || (n >= 50 && n < 60));
    const old = site.workspace.history;
    const lost = (after: number, before: number): Loss[] => [
      { after: after as Position, before: before as Position },
    ];
    await site.backEnds.store.lose(old, lost(-1, 10));
    const gate = new Gate();
    site.start(site.holding(gate));
    await site.step('rebuilding', 1);
    await gate.reached;
    await site.backEnds.store.lose(old, lost(49, 60));
    gate.open();
    await site.searched(1);
    const kept = await site.backEnds.store.losses(site.workspace.history);
    assert.deepEqual(kept, [...lost(-1, 10), ...lost(49, 60)]);
  });

  it('comes to the end also where everything was trimmed', async () => {
    await site.historized(10);
    await site.trim(9);
    site.start();
    await site.rebuild(1);
    assert.deepEqual(await site.held(), []);
  });

  it('keeps out what was never to be kept, and parks what is refused as it was', async () => {
    await site.append(0, 1);
    const broken = [
      '{"id":"a","ty',
      '{"id":"p","type":"a","payload":{},"options":{"persist":false}}',
    ];
    await site.backEnds.log.append(
      site.workspace.id,
      broken.map((text) => sealedBytes(Buffer.from(text))),
    );
    await site.append(3, 4);
    site.start();
    await site.reached(3, site.workspace.history);
    const letters = async (): Promise<number[]> =>
      (await site.deadLetters.list(site.workspace.id, 10)).map(({ position }) => position);
    const refused = async (): Promise<unknown> =>
      (await metrics.historized.get()).values.find(({ labels }) => labels.outcome === 'refused');
    assert.deepEqual(await letters(), [1]);
    const before = await refused();
    await site.rebuild(1);
    assert.deepEqual(await letters(), [1]);
    assert.deepEqual(await site.held(), [0, 3]);
    assert.deepEqual(await refused(), before, 'an operator is told of it once');
  });

  it('has what is replayed meanwhile of what the store had refused', async () => {
    let takes = false;
    const refusing: Partial<EventStore> = {
      write: async (of, records) => {
        const isRefused = ({ position }: Recorded): boolean =>
          of.id === site.workspace.id && position === 1 && !takes;
        await site.backEnds.store.write(
          of,
          records.filter((record) => !isRefused(record)),
        );
        return records.map((record) => (isRefused(record) ? { refused: 'no' } : 'stored'));
      },
    };
    const own = await DeadLetters.open(
      site.backEnds.log,
      withMethods(site.backEnds.store, refusing),
      site.workspaces,
    );
    await site.append(0, 3);
    site.start(refusing, NEVER_MS);
    await site.reached(2, site.workspace.history);
    await site.stop();
    // It is refused there as well, and waits to take the place of the old one.
    const gate = new Gate();
    site.start({ ...refusing, advance: advancing(gate) }, NEVER_MS);
    await site.step('rebuilding', 1);
    await gate.reached;
    takes = true;
    assert.deepEqual(await own.replay(site.workspace.id, 10), { replayed: 1, refused: 0 });
    gate.open();
    await site.searched(1);
    assert.deepEqual(await site.held(), [0, 1, 2]);
  });
});
