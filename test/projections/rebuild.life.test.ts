import assert from 'node:assert/strict';
import { BEFORE_FIRST, nameOf, type Position } from '../../src/event.js';
import { budget } from '../../src/projections/projection.js';
import { RebuildPace } from '../../src/projections/rebuild.pace.js';
import { Rebuilder } from '../../src/projections/rebuild.js';
import { ALL_SHARES, NO_SHARES } from '../../src/projections/shares.js';
import type { EventStore } from '../../src/projections/store.js';
import { range } from '../commands/sealed.js';
import { CONTEXT, Gate, withMethods } from '../support/backends.js';
import { until } from '../until.js';
import { NEVER_MS, withSites, type Site } from './rebuild.site.js';

describe('A history that is being rebuilt', () => {
  let site: Site;

  withSites((opened) => {
    site = opened;
  });

  it('takes the place only when nothing is missing, however much is emitted', async () => {
    let least = Infinity;
    const checkpoints = async (): Promise<number> =>
      (await site.backEnds.store.checkpoint(site.generation(1))) -
      (await site.backEnds.store.checkpoint(site.generation(0)));
    site.start({}, NEVER_MS);
    await site.append(0, 2000);
    let emitted = 2000;
    site.workspaces.onHistories((changed) => {
      if (changed === site.workspace && site.workspace.history.generation === 1) {
        // What a search found a moment ago, another finds now.
        void checkpoints().then((ahead) => {
          least = ahead;
        });
      }
    });
    await site.step('rebuilding', 1);
    await until('it is searched', async () => {
      await site.append(emitted, emitted + 20);
      emitted += 20;
      return site.workspace.history.generation === 1;
    });
    await until('the checkpoints are compared', () => least < Infinity);
    assert.ok(least >= 0, `it was ${-least} behind`);
    await site.reached(emitted - 1, site.workspace.history);
    assert.deepEqual(await site.held(), range(0, emitted));
    const old = await site.backEnds.store.checkpoint(site.generation(0));
    assert.ok(old < emitted, 'the old one is let alone');
  });

  it('lets the checkpoint of the old history rest while it takes its place', async () => {
    await site.historized(10);
    const old = site.workspace.history;
    const gate = new Gate();
    let looks = 0;
    const trimmed: EventStore['trimmed'] = async (of) => {
      // At first before it begins, and then when it is about to take the place.
      await (nameOf(of) === nameOf(old) && ++looks === 2 ? gate.pass() : undefined);
      return site.backEnds.store.trimmed(of);
    };
    site.start({ trimmed }, NEVER_MS);
    await site.step('rebuilding', 1);
    await gate.reached;
    await site.append(10, 15);
    await site.reached(14, site.generation(1));
    assert.equal(await site.backEnds.store.checkpoint(old), 9);
    gate.open();
    await site.searched(1);
    assert.deepEqual(await site.held(), range(0, 15));
  });

  it('goes on where it was when it was cut short', async () => {
    await site.historized(3000);
    const { written, spying } = site.writtenInto(1);
    site.start(spying);
    await site.step('rebuilding', 1);
    await site.reached(500, site.generation(1));
    await site.stop();
    assert.equal(site.workspace.history.generation, 0);
    const at = await site.backEnds.store.checkpoint(site.generation(1));
    assert.ok(at < 2999, 'it is done already');
    written.length = 0;
    site.start(spying);
    await site.searched(1);
    assert.deepEqual(written, range(at + 1, 3000));
    assert.deepEqual(await site.held(), range(0, 3000));
  });

  it('goes on after the store failed', async () => {
    await site.historized(10);
    let failures = 2;
    site.start({
      write: (of, records) =>
        of.generation === 1 && failures-- > 0
          ? Promise.reject(new Error('the store does not answer'))
          : site.backEnds.store.write(of, records),
    });
    await site.rebuild(1);
    assert.deepEqual(await site.held(), range(0, 10));
    assert.ok(failures < 0);
  });

  it('leaves, when it is given up, the old one as it was, and nothing of its own', async () => {
    await site.historized(10);
    const gate = new Gate();
    site.start(site.holding(gate), NEVER_MS);
    await site.step('rebuilding', 1);
    await gate.reached;
    await site.step('cancelled', 1);
    gate.open();
    await site.dropped();
    assert.equal(site.workspace.history.generation, 0);
    assert.deepEqual(await site.held(), range(0, 10));
    assert.deepEqual(await site.held(site.generation(1)), []);
    await site.append(10, 15);
    await site.reached(14, site.workspace.history);
    assert.deepEqual(await site.held(site.generation(1)), []);
  });

  it('leaves nothing where the workspace is deleted meanwhile', async () => {
    await site.historized(10);
    site.start({}, NEVER_MS);
    await site.rebuild(1);
    await site.stop();
    const gate = new Gate();
    let drops = 0;
    const drop: EventStore['drop'] = (of) => {
      drops++;
      return site.backEnds.store.drop(of);
    };
    site.start({ ...site.holding(gate, 2), drop }, NEVER_MS);
    await site.step('rebuilding', 2);
    await gate.reached;
    const { all } = site.workspace.histories;
    assert.deepEqual(
      all.map(({ generation }) => generation),
      [1, 2, 0],
    );
    await site.workspaces.delete(site.workspace.id, CONTEXT, 0);
    const end = performance.now() + 200;
    await until('it would be purged', () => drops > 0 || performance.now() >= end);
    assert.equal(drops, 0, 'what is being written now would stay');
    gate.open();
    await site.purged();
    for (const of of all) {
      assert.deepEqual(await site.held(of), [], nameOf(of));
      assert.equal(await site.backEnds.store.checkpoint(of), BEFORE_FIRST);
    }
  });

  it('leaves nothing where the old one is being dropped when the workspace goes', async () => {
    await site.historized(10);
    const { history } = site.workspace;
    const gate = new Gate();
    let purging = false;
    const drop: EventStore['drop'] = async (of) => {
      await (nameOf(of) === nameOf(history) && !purging ? gate.pass() : undefined);
      return site.backEnds.store.drop(of);
    };
    site.start({ drop });
    await site.rebuild(1);
    await gate.reached;
    purging = true;
    await site.workspaces.delete(site.workspace.id, CONTEXT, 0);
    // That it has gone is told only now, when there is nothing left to tell of.
    gate.open();
    await site.purged();
    assert.deepEqual(await site.held(), []);
    assert.deepEqual(await site.held(history), []);
  });

  it('goes on where the workspace was deleted and can be restored', async () => {
    await site.historized(10);
    const gate = new Gate();
    site.start(site.holding(gate));
    await site.step('rebuilding', 1);
    await gate.reached;
    await site.workspaces.delete(site.workspace.id, CONTEXT, NEVER_MS);
    gate.open();
    await site.searched(1);
    await site.dropped();
    assert.equal(await site.workspaces.restore(site.workspace.id, CONTEXT), site.workspace);
    await site.append(10, 15);
    await site.reached(14, site.workspace.history);
    assert.deepEqual(await site.held(), range(0, 15));
  });

  it('takes the place with what outlives a failure of the power', async () => {
    await site.historized(10);
    const settled: [string, number][] = [];
    const settle: EventStore['settle'] = async (of) => {
      const position = await site.backEnds.store.settle(of);
      settled.push([nameOf(of), position]);
      return position;
    };
    let last: unknown;
    site.workspaces.onHistories(({ history }) => {
      last = history.generation === 1 ? (last ?? settled.at(-1)) : undefined;
    });
    site.start({ settle });
    await site.rebuild(1);
    assert.deepEqual(last, [nameOf(site.workspace.history), 9]);
  });

  it('leaves the old one for a while, for the queries that are at it', async () => {
    await site.historized(10);
    const old = site.workspace.history;
    site.start({}, NEVER_MS);
    await site.rebuild(1);
    await site.append(10, 15);
    await site.reached(14, site.workspace.history);
    assert.deepEqual(await site.held(old), range(0, 10));
    assert.equal(await site.backEnds.store.checkpoint(old), 9);
    await site.stop();
    site.start();
    await site.dropped();
    assert.deepEqual(await site.held(old), []);
  });

  it('is done by the node that has the share, from where another had come', async () => {
    await site.historized(3000);
    let has = true;
    let changed!: () => void;
    site.start({}, 0, {
      ...ALL_SHARES,
      has: () => has,
      onChanged: (listener) => {
        changed = listener;
      },
    });
    await site.step('rebuilding', 1);
    await site.reached(500, site.generation(1));
    has = false;
    changed();
    site.start({}, 0, NO_SHARES);
    const { written, spying } = site.writtenInto(1);
    site.start(spying);
    await site.searched(1);
    assert.ok(written[0]! > 500, `it began at ${String(written[0])}`);
    assert.deepEqual(await site.held(), range(0, 3000));
  });

  it('rests less where it does not come nearer to what is emitted', async () => {
    const rests: number[] = [];
    const pace = new RebuildPace(budget);
    // Each write takes longer than one that keeps up may; meanwhile the old history has gone on.
    const slow = withMethods(pace, {
      spend: async (bytes, write, rest) => {
        rests.push(rest);
        if (rests.length < 4) {
          const end = performance.now() + 1_100;
          await until('its time has come', () => performance.now() >= end);
          await emitHistorized(rests.length);
        }
        return pace.spend(bytes, write, 0);
      },
    });
    const emitHistorized = async (position: number): Promise<void> => {
      await site.append(position, position + 1);
      await site.backEnds.store.advance(site.workspace.history, position as Position);
    };
    await site.historized(1);
    await site.step('rebuilding', 1);
    const { backEnds, workspaces, deadLetters, workspace } = site;
    const rebuilder = new Rebuilder({
      workspace,
      of: workspace.histories.rebuild!.of,
      ends: { ...backEnds, deadLetters },
      workspaces,
      pace: slow,
      current: () => undefined,
    });
    await rebuilder.run(new AbortController().signal);
    assert.deepEqual(rests, [1, 1, 0.5, 0.25]);
    assert.deepEqual(await site.held(), range(0, 4));
    await site.searched(1);
  });

  it('does not count as a history that is behind', async () => {
    await site.historized(10);
    const gate = new Gate();
    const projector = site.start(site.holding(gate));
    await site.step('rebuilding', 1);
    await gate.reached;
    const isBehind = async (): Promise<boolean> => (await projector.lag()).events > 0;
    await until('nothing is behind', async () => !(await isBehind()));
    gate.open();
    await site.searched(1);
  });
});
