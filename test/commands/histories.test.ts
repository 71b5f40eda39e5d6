import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Histories, HISTORY, recordStep } from '../../src/commands/histories.js';
import { Workspaces } from '../../src/commands/workspaces.js';
import { nameOf, type Event } from '../../src/event.js';
import { AUTO_CREATE, CONTEXT, withBackEnds, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';

type Step = keyof typeof HISTORY;

const EPOCH = 'abcdefgh';
const SINCE = '2001-01-15T08:30:00.000Z';

/** A step of the only workspace there is, unless it is given another epoch. */
function step(name: Step, generation: number, epoch = EPOCH): Event {
  return {
    id: randomUUID(),
    type: HISTORY[name],
    workspaceId: '_system',
    time: SINCE,
    createdAt: SINCE,
    source: { workspaceId: '_system', correlationId: 'c', connectionId: 'k' },
    payload: { workspace: 'w', epoch, generation },
  };
}

describe('The histories of a workspace', () => {
  let histories: Histories;

  beforeEach(() => {
    histories = new Histories('w', EPOCH);
  });

  const fold = (...steps: [Step, number, string?][]): boolean[] =>
    steps.map((each) => histories.fold(step(...each)));
  const shown = (): unknown => ({
    searched: histories.current.generation,
    built: histories.rebuild?.of.generation,
    obsolete: histories.obsolete.map(({ of, wasSearched }) => [of.generation, wasSearched]),
  });

  it('are the one that is searched, at first', () => {
    assert.deepEqual(shown(), { searched: 0, built: undefined, obsolete: [] });
    assert.deepEqual(histories.current, { id: 'w', epoch: EPOCH, generation: 0 });
    assert.equal(nameOf(histories.current), `w/${EPOCH}`);
  });

  it('are two while one is rebuilt, and events go into both', () => {
    assert.deepEqual(fold(['rebuilding', 1]), [true]);
    assert.deepEqual(shown(), { searched: 0, built: 1, obsolete: [] });
    assert.equal(histories.rebuild?.since, SINCE);
    assert.deepEqual(histories.kept.map(nameOf), [`w/${EPOCH}`, `w/${EPOCH}.1`]);
  });

  it('change places when it is rebuilt; the old one is there until it is purged', () => {
    assert.deepEqual(fold(['rebuilding', 1], ['rebuilt', 1]), [true, true]);
    assert.deepEqual(shown(), { searched: 1, built: undefined, obsolete: [[0, true]] });
    assert.deepEqual(histories.kept.map(nameOf), [`w/${EPOCH}.1`]);
    assert.deepEqual(histories.all.map(nameOf), [`w/${EPOCH}.1`, `w/${EPOCH}`]);
    assert.deepEqual(fold(['purged', 0], ['purged', 0]), [true, false]);
    assert.deepEqual(shown(), { searched: 1, built: undefined, obsolete: [] });
  });

  it('stay as they are where a rebuild is given up; nobody has searched what it built', () => {
    fold(['rebuilding', 1], ['cancelled', 1]);
    assert.deepEqual(shown(), { searched: 0, built: undefined, obsolete: [[1, false]] });
  });

  it('give no generation twice, not even that of a rebuild that was given up', () => {
    assert.equal(histories.next, 1);
    fold(['rebuilding', 1], ['cancelled', 1], ['purged', 1]);
    assert.equal(histories.next, 2);
    assert.deepEqual(fold(['rebuilding', 1], ['rebuilding', 2]), [false, true]);
    assert.deepEqual(shown(), { searched: 0, built: 2, obsolete: [] });
  });

  it('take of two nodes that begin at once the first, and of two ends the first', () => {
    const took = fold(['rebuilding', 1], ['rebuilding', 1], ['rebuilding', 2]);
    assert.deepEqual(took, [true, false, false]);
    assert.deepEqual(fold(['rebuilt', 1], ['rebuilt', 1], ['cancelled', 1]), [true, false, false]);
    assert.deepEqual(shown(), { searched: 1, built: undefined, obsolete: [[0, true]] });
    fold(['rebuilding', 2], ['cancelled', 2], ['rebuilt', 2]);
    assert.deepEqual(shown(), {
      searched: 1,
      built: undefined,
      obsolete: [
        [0, true],
        [2, false],
      ],
    });
  });

  it('pass over steps of another generation, of another epoch, and all other events', () => {
    fold(['rebuilding', 1]);
    assert.deepEqual(
      fold(['rebuilt', 2], ['cancelled', 0], ['purged', 1], ['rebuilt', 1, 'another1']),
      [false, false, false, false],
    );
    assert.equal(histories.fold({ ...step('rebuilt', 1), type: 'error' }), false);
    assert.deepEqual(shown(), { searched: 0, built: 1, obsolete: [] });
  });

  describe('on several nodes', () => {
    let backEnds: BackEnds;
    let opened: Workspaces[];

    withBackEnds((each) => {
      backEnds = each;
    });

    beforeEach(() => {
      opened = [];
    });
    afterEach(() => Promise.all(opened.map((each) => each.close())));

    const open = async (): Promise<Workspaces> => {
      const workspaces = await Workspaces.open(backEnds.log, AUTO_CREATE);
      opened.push(workspaces);
      return workspaces;
    };

    it('come to the same, also after a restart', async () => {
      const [one, two] = [await open(), await open()];
      const { history } = await one.put('w', {}, CONTEXT);
      const told: number[] = [];
      two.onHistories(({ histories: { all } }) => told.push(all.length));
      await recordStep(one, HISTORY.rebuilding, { ...history, generation: 1 });
      await recordStep(one, HISTORY.rebuilt, { ...history, generation: 1 });
      await until('the other knows', () => two.get('w')?.history.generation === 1);
      for (const workspaces of [one, two, await open()]) {
        const { current, obsolete } = workspaces.get('w')!.histories;
        assert.deepEqual([current.generation, obsolete[0]?.of], [1, history]);
        assert.deepEqual(workspaces.historyOf('w', history.epoch), current);
        const foreign = { id: 'w', epoch: 'another1', generation: 0 };
        assert.deepEqual(workspaces.historyOf('w', 'another1'), foreign);
      }
      assert.deepEqual(told, [2, 2]);
    });

    it('all go with the workspace, and one that is made again has its first', async () => {
      const one = await open();
      const { history } = await one.put('gone', {}, CONTEXT);
      await recordStep(one, HISTORY.rebuilding, { ...history, generation: 1 });
      await one.delete('gone', CONTEXT, 0);
      const [deleted] = (await open())
        .deleted()
        .map(({ workspace }) => workspace)
        .filter(({ id }) => id === 'gone');
      assert.deepEqual(
        deleted?.histories.all.map(({ generation }) => generation),
        [0, 1],
      );
      const again = await one.put('gone', {}, CONTEXT);
      assert.deepEqual([again.history.generation, again.histories.rebuild], [0, undefined]);
    });
  });
});
