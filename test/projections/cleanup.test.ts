import assert from 'node:assert/strict';
import type { Workspace } from '../../src/commands/workspace.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import {
  cleanup,
  type Cleanup,
  type Failure,
  type Progress,
  type Total,
} from '../../src/projections/cleanup.js';
import { Projector } from '../../src/projections/project.js';
import { ALL_SHARES } from '../../src/projections/shares.js';
import type { EventStore } from '../../src/projections/store.js';
import { readAll } from '../commands/sealed.js';
import { CONTEXT, withMethods } from '../support/backends.js';
import { until } from '../until.js';
import { recorded } from './recorded.js';
import { fill, HOUR_MS, KEPT, withShelf, type Shelf } from './shelf.js';

const GRACE_MS = 250;
const END = Number.MAX_SAFE_INTEGER as Position;

type Line = Progress | Failure | Total;

describe('A cleanup', () => {
  let shelf: Shelf;
  let projector: Projector | undefined;

  withShelf((made) => {
    shelf = made;
    projector = undefined;
  });

  afterEach(async () => {
    await projector?.stop();
    for (const { id: name } of shelf.workspaces.list()) {
      if (name !== '_system') {
        await shelf.workspaces.delete(name, CONTEXT, 0);
      }
    }
  });

  /** Without the rounds that a node has, and only with a projector where a test wants one. */
  const project = (): void => {
    projector = new Projector(shelf, shelf.workspaces, ALL_SHARES);
    projector.start();
  };
  const begin = (options: Partial<Cleanup> = {}): AsyncGenerator<Line> =>
    cleanup({
      ...shelf,
      ...{ only: undefined, dryRun: false, context: CONTEXT },
      signal: new AbortController().signal,
      ...options,
    });
  const run = async (options?: Partial<Cleanup>): Promise<Line[]> => {
    const lines: Line[] = [];
    for await (const line of begin(options)) {
      lines.push(line);
    }
    return lines;
  };
  const told = (lines: readonly Line[]): unknown[] =>
    lines.map((line) => {
      if ('of' in line) {
        const { of, ...rest } = line;
        return { workspace: of.id, ...rest };
      }
      return line;
    });
  const progress = (workspace: string, log: number, history: number, purge = false): unknown => ({
    workspace,
    log,
    history,
    purge,
    done: true,
  });
  const filled = (old: number, name = shelf.id, config: object = KEPT): Promise<Workspace> =>
    fill(shelf, name, old, config);
  const deletedLongAgo = async ({ id: name }: Workspace): Promise<void> => {
    // Of one that is over when the deletion is recorded, the purge begins with that.
    await shelf.workspaces.delete(name, CONTEXT, GRACE_MS);
    await until('its grace is over', () =>
      shelf.workspaces.overdue().some((each) => each.id === name),
    );
  };
  const held = async (of: Workspace): Promise<[log: number, history: number]> => {
    const { first, next } = await shelf.log.bounds(of.id);
    const records = await shelf.store.scan(of.history, BEFORE_FIRST, END, Infinity);
    return [next - first, records.length];
  };

  it('removes what is beyond retention, of each workspace, and tells how much', async () => {
    const some = await filled(3);
    const many = await filled(1200, `${shelf.id}-2`);
    const none = await filled(4, `${shelf.id}-3`, {});
    assert.deepEqual(told(await run()), [
      progress(some.id, 3, 3),
      progress(many.id, 1200, 1200),
      progress(none.id, 0, 0),
      { workspaces: 3, log: 1203, history: 1203, purged: 0, failed: 0 },
    ]);
    assert.deepEqual(
      [await held(some), await held(none)],
      [
        [1, 1],
        [5, 5],
      ],
    );
    const [first] = told(await run());
    assert.deepEqual(first, progress(some.id, 0, 0));
  });

  it('tells the same beforehand, and removes nothing by that', async () => {
    const of = await filled(1500);
    const gone = await filled(2, `${shelf.id}-2`, {});
    await deletedLongAgo(gone);
    await shelf.deadLetters.park(gone.history, recorded(7), 'too large');
    const before = await held(of);
    const lines = told(await run({ dryRun: true }));
    assert.deepEqual(await held(of), before);
    assert.equal((await shelf.log.bounds(gone.id)).epoch, gone.epoch);
    assert.equal((await readAll(shelf.log, '_deadletters')).length, 1);
    assert.deepEqual(lines, [
      progress(of.id, 1500, 1500),
      progress(gone.id, 3, 3, true),
      { workspaces: 2, log: 1503, history: 1503, purged: 1, failed: 0 },
    ]);
    project();
    assert.deepEqual(told(await run()), lines);
    assert.deepEqual(await held(of), [1, 1]);
    await assert.rejects(shelf.log.bounds(gone.id), { code: 'workspace-not-found' });
    assert.deepEqual(await readAll(shelf.log, '_deadletters'), []);
    assert.equal(await shelf.store.checkpoint(gone.history), BEFORE_FIRST);
  });

  it('is of one workspace, where that is wanted, and never of those of the service', async () => {
    const one = await filled(3);
    const other = await filled(3, `${shelf.id}-2`);
    assert.deepEqual(told(await run({ only: one.id })).slice(0, -1), [progress(one.id, 3, 3)]);
    assert.deepEqual(await held(other), [4, 4]);
    const names = (await run({ dryRun: true })).flatMap((line) => ('of' in line ? line.of.id : []));
    assert.deepEqual(names, [one.id, other.id]);
  });

  it('leaves what was deleted alone until its grace is over', async () => {
    const of = await filled(3);
    await shelf.workspaces.delete(of.id, CONTEXT, HOUR_MS);
    const [total, ...more] = await run();
    assert.deepEqual([(total as Total).workspaces, more], [0, []]);
    await shelf.workspaces.restore(of.id, CONTEXT);
    assert.deepEqual(await held(of), [4, 4]);
  });

  it('goes on with the others where one fails, and tells of it', async () => {
    const failing = await filled(3);
    const other = await filled(3, `${shelf.id}-2`);
    const error = new Error('the store does not answer');
    const store = withMethods<EventStore>(shelf.store, {
      settle: (of) => (of.id === failing.id ? Promise.reject(error) : shelf.store.settle(of)),
    });
    const lines = told(await run({ store }));
    assert.deepEqual(lines, [
      { workspace: failing.id, error },
      progress(other.id, 3, 3),
      { workspaces: 1, log: 3, history: 3, purged: 0, failed: 1 },
    ]);
  });

  it('ends without a total when nobody waits for it any more', async () => {
    const first = await filled(1600);
    const second = await filled(3, `${shelf.id}-2`);
    const leaving = new AbortController();
    const store = withMethods<EventStore>(shelf.store, {
      trim: async function* (...args) {
        for await (const removed of shelf.store.trim(...args)) {
          leaving.abort();
          yield removed;
        }
      },
    });
    assert.deepEqual(await run({ store, signal: leaving.signal }), []);
    const [, history] = await held(first);
    assert.ok(history > 1 && history < 1601);
    assert.deepEqual(await held(second), [4, 4]);
  });

  it('does not wait for ever for a purge that nobody does', async () => {
    const of = await filled(3);
    await deletedLongAgo(of);
    const leaving = new AbortController();
    const lines = begin({ signal: leaving.signal });
    const { value } = await lines.next();
    assert.deepEqual(told([value as Line]), [
      { ...(progress(of.id, 4, 4, true) as object), done: false },
    ]);
    const next = lines.next();
    leaving.abort();
    assert.deepEqual(await next, { value: undefined, done: true });
    project();
  });
});
