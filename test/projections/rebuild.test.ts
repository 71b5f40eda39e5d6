import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { HISTORY, recordStep } from '../../src/commands/histories.js';
import type { Workspace, Workspaces } from '../../src/commands/workspaces.js';
import {
  BEFORE_FIRST,
  nameOf,
  type Incarnation,
  type Position,
  type Recorded,
} from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { Projector } from '../../src/projections/project.js';
import { budget } from '../../src/projections/projection.js';
import { RebuildPace } from '../../src/projections/rebuild.pace.js';
import { Rebuilder } from '../../src/projections/rebuild.js';
import { ALL_SHARES, NO_SHARES, type Shares } from '../../src/projections/shares.js';
import type { EventStore } from '../../src/projections/store.js';
import { numbered, numbersOf, positionsOf, range, sealedBytes } from '../commands/sealed.js';
import { CONTEXT, Gate, withMethods, withWorkspaces, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';

const END = Number.MAX_SAFE_INTEGER as Position;

/** For tests in which the old history is to go at once, and for those in which it is to stay. */
const AT_ONCE_MS = 0;
const NEVER_MS = 3_600_000;

describe('A rebuild', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let deadLetters: DeadLetters;
  let projectors: Projector[];
  let workspace: Workspace;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  before(async () => {
    deadLetters = await DeadLetters.open(backEnds.log, backEnds.store, workspaces);
  });

  beforeEach(async () => {
    projectors = [];
    workspace = await workspaces.put(`w-${randomUUID()}`, {}, CONTEXT);
  });

  afterEach(() => stop());

  const start = (
    methods: Partial<EventStore> = {},
    replacedMs = AT_ONCE_MS,
    shares: Shares = ALL_SHARES,
  ): void => {
    const ends = { ...backEnds, store: withMethods(backEnds.store, methods), deadLetters };
    const projector = new Projector(ends, workspaces, shares, replacedMs);
    projectors.push(projector);
    projector.start();
  };
  const stop = async (): Promise<void> => {
    await Promise.all(projectors.splice(0).map((projector) => projector.stop()));
  };
  const append = (from: number, to: number): Promise<Position> =>
    backEnds.log.append(workspace.id, numbered(from, to));
  const step = async (what: keyof typeof HISTORY, generation: number): Promise<void> =>
    recordStep(workspaces, HISTORY[what], { ...workspace.history, generation });
  const searched = (generation: number): Promise<boolean> =>
    until(
      `generation ${generation} is searched`,
      () => workspace.history.generation === generation,
    );
  const dropped = (): Promise<boolean> =>
    until('nothing is to be dropped any more', () => workspace.histories.obsolete.length === 0);
  const reached = (position: number, of: Incarnation): Promise<boolean> =>
    until(`${nameOf(of)} is at ${position}`, async () => {
      return (await backEnds.store.checkpoint(of)) >= position;
    });
  const held = (of: Incarnation): ReturnType<EventStore['scan']> =>
    backEnds.store.scan(of, BEFORE_FIRST, END, Infinity);
  const history = async (): Promise<number[]> => numbersOf(await held(workspace.history));
  const generationOf = (generation: number): Incarnation => ({ ...workspace.history, generation });
  /** Carries what there is into the history, but for what is missing there. */
  const historized = async (to: number, isMissing: (n: number) => boolean): Promise<void> => {
    await append(0, to);
    const { records } = await backEnds.log.read(workspace.id, BEFORE_FIRST, Infinity);
    const kept = records.filter(({ position }) => !isMissing(position));
    await backEnds.store.write(workspace.history, kept);
    await backEnds.store.advance(workspace.history, (to - 1) as Position);
  };
  /** The positions that are written into a generation, as they are. */
  const writtenInto = (generation: number): { written: number[]; spying: Partial<EventStore> } => {
    const written: number[] = [];
    const write: EventStore['write'] = (of, records) => {
      const isIt = of.id === workspace.id && of.generation === generation;
      written.push(...(isIt ? positionsOf(records) : []));
      return backEnds.store.write(of, records);
    };
    return { written, spying: { write } };
  };
  /** A store that waits before it writes into a generation of the workspace of this test. */
  const holding = (gate: Gate, generation = 1): Partial<EventStore> => ({
    write: async (of, records) => {
      const isIt = of.id === workspace.id && of.generation === generation;
      await (isIt ? gate.pass() : undefined);
      return backEnds.store.write(of, records);
    },
  });

  it('makes a history whole that was damaged, and drops the damaged one', async () => {
    await historized(1000, (n) => n % 10 === 3 || n > 990);
    const damaged = workspace.history;
    assert.equal((await history()).length, 892);
    start();
    await step('rebuilding', 1);
    await searched(1);
    assert.deepEqual(await history(), range(0, 1000));
    assert.equal(await backEnds.store.checkpoint(workspace.history), 999);
    await dropped();
    assert.deepEqual(await held(damaged), []);
    assert.equal(await backEnds.store.checkpoint(damaged), BEFORE_FIRST);
  });

  it('goes on with the new history, and can be followed by another one', async () => {
    start();
    await append(0, 5);
    for (const generation of [1, 2]) {
      await step('rebuilding', generation);
      await searched(generation);
      await append(5 * generation, 5 * generation + 5);
      await reached(5 * generation + 4, workspace.history);
      assert.deepEqual(await history(), range(0, 5 * generation + 5));
    }
    await dropped();
    assert.deepEqual(await held(generationOf(0)), []);
    assert.deepEqual(await held(generationOf(1)), []);
  });

  it('of nothing is done at once', async () => {
    start();
    await step('rebuilding', 1);
    await searched(1);
    await append(0, 3);
    await reached(2, workspace.history);
    assert.deepEqual(await history(), [0, 1, 2]);
  });

  it('has from the old history what the log has forgotten, and the rest from the log', async () => {
    // Of what the log still has, the old history lacks some; of what it has not, nothing is kept.
    await historized(1000, (n) => n % 10 === 3 && (n > 400 || n === 393));
    await backEnds.log.trim(workspace.id, 395 as Position);
    start();
    await step('rebuilding', 1);
    await searched(1);
    assert.deepEqual(
      await history(),
      range(0, 1000).filter((n) => n !== 393),
    );
  });

  it('comes to the end also where the log has forgotten what was not to be kept', async () => {
    await historized(10, (n) => n >= 8);
    await backEnds.log.trim(workspace.id, 10 as Position);
    const lost = async (): Promise<number> => (await metrics.unhistorized.get()).values[0]!.value;
    const before = await lost();
    start();
    await step('rebuilding', 1);
    await searched(1);
    assert.equal(await backEnds.store.checkpoint(workspace.history), 9);
    assert.deepEqual(await history(), range(0, 8));
    assert.equal(await lost(), before);
  });

  it('does not bring back what was trimmed, neither before it began nor since', async () => {
    await historized(100, () => false);
    const trim = async (upTo: number): Promise<void> => {
      for await (const removed of backEnds.store.trim(workspace.history, upTo as Position)) {
        assert.ok(removed > 0);
      }
    };
    await trim(19);
    const gate = new Gate();
    start(holding(gate));
    await step('rebuilding', 1);
    await gate.reached;
    await trim(39);
    gate.open();
    await searched(1);
    assert.equal(await backEnds.store.trimmed(workspace.history), 39);
    assert.deepEqual(await history(), range(40, 100));
  });

  it('comes to the end also where everything was trimmed', async () => {
    await historized(10, () => false);
    for await (const removed of backEnds.store.trim(workspace.history, 9 as Position)) {
      assert.ok(removed > 0);
    }
    start();
    await step('rebuilding', 1);
    await searched(1);
    assert.deepEqual(await history(), []);
  });

  it('takes the place only when nothing is missing, however much is emitted', async () => {
    let emitted = 0;
    let least = Infinity;
    const checkpoints = async (): Promise<number> =>
      (await backEnds.store.checkpoint(generationOf(1))) -
      (await backEnds.store.checkpoint(generationOf(0)));
    start({}, NEVER_MS);
    await append(0, 2000);
    emitted = 2000;
    workspaces.onHistories((changed) => {
      if (changed === workspace && workspace.history.generation === 1) {
        // What a search found a moment ago, another finds now.
        void checkpoints().then((ahead) => {
          least = ahead;
        });
      }
    });
    await step('rebuilding', 1);
    await until('it is searched', async () => {
      await append(emitted, emitted + 20);
      emitted += 20;
      return workspace.history.generation === 1;
    });
    await until('the checkpoints are compared', () => least < Infinity);
    assert.ok(least >= 0, `it was ${-least} behind`);
    await reached(emitted - 1, workspace.history);
    assert.deepEqual(await history(), range(0, emitted));
    const old = await backEnds.store.checkpoint(generationOf(0));
    assert.ok(old < emitted, 'the old one is let alone');
  });

  it('lets the checkpoint of the old history rest while it takes its place', async () => {
    await historized(10, () => false);
    const old = workspace.history;
    const gate = new Gate();
    let looks = 0;
    const trimmed: EventStore['trimmed'] = async (of) => {
      // At first before it begins, and then when it is about to take the place.
      await (nameOf(of) === nameOf(old) && ++looks === 2 ? gate.pass() : undefined);
      return backEnds.store.trimmed(of);
    };
    start({ trimmed }, NEVER_MS);
    await step('rebuilding', 1);
    await gate.reached;
    await append(10, 15);
    await reached(14, generationOf(1));
    assert.equal(await backEnds.store.checkpoint(old), 9);
    gate.open();
    await searched(1);
    assert.deepEqual(await history(), range(0, 15));
  });

  it('that was cut short goes on where it was', async () => {
    await historized(3000, () => false);
    const { written, spying } = writtenInto(1);
    start(spying);
    await step('rebuilding', 1);
    await reached(500, generationOf(1));
    await stop();
    assert.equal(workspace.history.generation, 0);
    const at = await backEnds.store.checkpoint(generationOf(1));
    assert.ok(at < 2999, 'it is done already');
    written.length = 0;
    start(spying);
    await searched(1);
    assert.deepEqual(written, range(at + 1, 3000));
    assert.deepEqual(await history(), range(0, 3000));
  });

  it('goes on after the store or the system workspace failed', async () => {
    await historized(10, () => false);
    let failures = 2;
    const fail = <A extends unknown[], R>(
      work: (of: Incarnation, ...args: A) => Promise<R>,
    ): ((of: Incarnation, ...args: A) => Promise<R>) => {
      return (of, ...args) =>
        of.generation === 1 && failures-- > 0
          ? Promise.reject(new Error('the store does not answer'))
          : work(of, ...args);
    };
    start({
      write: fail((of, records: Parameters<EventStore['write']>[1]) =>
        backEnds.store.write(of, records),
      ),
    });
    await step('rebuilding', 1);
    await searched(1);
    assert.deepEqual(await history(), range(0, 10));
    assert.ok(failures < 0);
  });

  it('that is given up leaves the old history as it was, and nothing of its own', async () => {
    await historized(10, () => false);
    const gate = new Gate();
    start(holding(gate), NEVER_MS);
    await step('rebuilding', 1);
    await gate.reached;
    await step('cancelled', 1);
    gate.open();
    await dropped();
    assert.equal(workspace.history.generation, 0);
    assert.deepEqual(await history(), range(0, 10));
    assert.deepEqual(await held(generationOf(1)), []);
    await append(10, 15);
    await reached(14, workspace.history);
    assert.deepEqual(await held(generationOf(1)), []);
  });

  it('leaves nothing where the workspace is deleted meanwhile', async () => {
    await historized(10, () => false);
    start({}, NEVER_MS);
    await step('rebuilding', 1);
    await searched(1);
    await stop();
    const gate = new Gate();
    let drops = 0;
    const drop: EventStore['drop'] = (of) => {
      drops++;
      return backEnds.store.drop(of);
    };
    start({ ...holding(gate, 2), drop }, NEVER_MS);
    await step('rebuilding', 2);
    await gate.reached;
    const { all } = workspace.histories;
    assert.deepEqual(
      all.map(({ generation }) => generation),
      [1, 2, 0],
    );
    await workspaces.delete(workspace.id, CONTEXT);
    const end = performance.now() + 200;
    await until('it would be purged', () => drops > 0 || performance.now() >= end);
    assert.equal(drops, 0, 'what is being written now would stay');
    gate.open();
    await until('it is purged', () => !workspaces.deleted().includes(workspace));
    for (const of of all) {
      assert.deepEqual(await held(of), [], nameOf(of));
      assert.equal(await backEnds.store.checkpoint(of), BEFORE_FIRST);
    }
  });

  it('keeps the old history for a while, for the queries that are at it', async () => {
    await historized(10, () => false);
    const old = workspace.history;
    start({}, NEVER_MS);
    await step('rebuilding', 1);
    await searched(1);
    await append(10, 15);
    await reached(14, workspace.history);
    assert.deepEqual(numbersOf(await held(old)), range(0, 10));
    assert.equal(await backEnds.store.checkpoint(old), 9);
    await stop();
    start();
    await dropped();
    assert.deepEqual(await held(old), []);
  });

  it('is done by the node that has the share, from where another had come', async () => {
    await historized(3000, () => false);
    let has = true;
    let changed!: () => void;
    start({}, AT_ONCE_MS, {
      ...ALL_SHARES,
      has: () => has,
      onChanged: (listener) => {
        changed = listener;
      },
    });
    await step('rebuilding', 1);
    await reached(500, generationOf(1));
    has = false;
    changed();
    start({}, AT_ONCE_MS, NO_SHARES);
    const { written, spying } = writtenInto(1);
    start(spying);
    await searched(1);
    assert.ok(written[0]! > 500, `it began at ${String(written[0])}`);
    assert.deepEqual(await history(), range(0, 3000));
  });

  it('keeps out what was never to be kept, and parks what is refused as it was', async () => {
    await append(0, 1);
    const broken = [
      '{"id":"a","ty',
      '{"id":"p","type":"a","payload":{},"options":{"persist":false}}',
    ];
    await backEnds.log.append(
      workspace.id,
      broken.map((text) => sealedBytes(Buffer.from(text))),
    );
    await append(3, 4);
    start();
    await reached(3, workspace.history);
    const letters = async (): Promise<number[]> =>
      (await deadLetters.list(workspace.id, 10)).map(({ position }) => position);
    const refused = async (): Promise<unknown> =>
      (await metrics.historized.get()).values.find(({ labels }) => labels.outcome === 'refused');
    assert.deepEqual(await letters(), [1]);
    const before = await refused();
    await step('rebuilding', 1);
    await searched(1);
    assert.deepEqual(await letters(), [1]);
    assert.deepEqual(await history(), [0, 3]);
    assert.deepEqual(await refused(), before, 'an operator is told of it once');
  });

  it('has what is replayed meanwhile of what the store had refused', async () => {
    let takes = false;
    const refusing: Partial<EventStore> = {
      write: async (of, records) => {
        const isRefused = ({ position }: Recorded): boolean =>
          of.id === workspace.id && position === 1 && !takes;
        await backEnds.store.write(
          of,
          records.filter((record) => !isRefused(record)),
        );
        return records.map((record) => (isRefused(record) ? { refused: 'no' } : 'stored'));
      },
    };
    const own = await DeadLetters.open(
      backEnds.log,
      withMethods(backEnds.store, refusing),
      workspaces,
    );
    await append(0, 3);
    start(refusing, NEVER_MS);
    await reached(2, workspace.history);
    await stop();
    // It is refused there as well, and waits to take the place of the old one.
    const gate = new Gate();
    start({ ...refusing, advance: advancing(gate) }, NEVER_MS);
    await step('rebuilding', 1);
    await gate.reached;
    takes = true;
    assert.deepEqual(await own.replay(workspace.id, 10), { replayed: 1, refused: 0 });
    gate.open();
    await searched(1);
    assert.deepEqual(await history(), [0, 1, 2]);
  });

  /** Waits before it moves the checkpoint of the new history. */
  const advancing =
    (gate: Gate): EventStore['advance'] =>
    async (of, checkpoint) => {
      await (of.id === workspace.id && of.generation === 1 ? gate.pass() : undefined);
      return backEnds.store.advance(of, checkpoint);
    };

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
      await append(position, position + 1);
      await backEnds.store.advance(workspace.history, position as Position);
    };
    await historized(1, () => false);
    await step('rebuilding', 1);
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
    assert.deepEqual(await history(), range(0, 4));
    await searched(1);
  });

  it('does not count as a history that is behind', async () => {
    await historized(10, () => false);
    const gate = new Gate();
    start(holding(gate));
    await step('rebuilding', 1);
    await gate.reached;
    const { next } = await backEnds.log.bounds('_system');
    await reached(next - 1, workspaces.get('_system')!.history);
    assert.equal((await projectors[0]!.lag()).events, 0);
    gate.open();
    await searched(1);
  });
});
