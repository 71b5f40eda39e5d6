import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { HISTORY, recordStep } from '../../src/commands/histories.js';
import type { Workspace } from '../../src/commands/workspace.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { formatCursor } from '../../src/queries/cursor.js';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { resolveFrom } from '../../src/queries/from.js';
import { HeavyQueries } from '../../src/queries/heavy.js';
import { eventById, search, searchAcross, type Found } from '../../src/queries/search.js';
import { Tails } from '../../src/queries/tails.js';
import type { History } from '../../src/queries/watermark.js';
import { positionsOf, range } from '../commands/sealed.js';
import { recorded } from '../projections/recorded.js';
import { CONTEXT, Gate, withMethods, withWorkspaces, type BackEnds } from '../support/backends.js';

const EVENTS = 20;

describe('A history that is rebuilt while it is queried', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let workspace: Workspace;
  let others: Workspace[];

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
  });

  beforeEach(async () => {
    const id = randomUUID();
    // Before and after it in the order of names.
    const made = ['a', 'b', 'c'].map((name) => workspaces.put(`${name}-${id}`, {}, CONTEXT));
    const [first, second, third] = await Promise.all(made);
    workspace = second!;
    others = [first!, third!];
    for (const each of [...others, workspace]) {
      await write(each);
    }
  });

  afterEach(() =>
    Promise.all([...others, workspace].map(({ id }) => workspaces.delete(id, CONTEXT, 0))),
  );

  /** Fills its history, of which all events have happened at one time. */
  const write = async (of: Workspace, history = of.history, last = EVENTS - 1): Promise<void> => {
    const records = range(0, last + 1).map((position) =>
      recorded(position, { id: `${of.id}-${position}` }),
    );
    await backEnds.store.write(history, records);
    await backEnds.store.advance(history, last as Position);
  };
  /** Puts a rebuilt history in the place of the one of the workspace, and drops that. */
  const rebuild = async (): Promise<void> => {
    const old = workspace.history;
    const rebuilt = { ...old, generation: workspace.histories.next };
    await recordStep(workspaces, HISTORY.rebuilding, rebuilt);
    await write(workspace, rebuilt);
    await recordStep(workspaces, HISTORY.rebuilt, rebuilt);
    await backEnds.store.drop(old);
  };
  const history = (store = backEnds.store): History => ({
    workspaces,
    store,
    log: backEnds.log,
    heavyQueries: new HeavyQueries(1),
  });
  const cursor = (position: number): string => formatCursor(workspace.epoch, position as Position);
  /** All pages of a search, with a rebuild before each but the first. */
  const pagesOf = async (find: (page: { next?: string }) => Promise<Found>): Promise<string[]> => {
    const ids: string[] = [];
    for (let page: { next?: string } | undefined = {}; page;) {
      const { events, next } = await find(page);
      ids.push(...events.map(({ record }) => record.event.id));
      page = next === undefined ? undefined : { next };
      await rebuild();
    }
    return ids;
  };

  for (const sort of ['position', 'time'] as const) {
    it(`goes on with the next page of a search where the page before ended: ${sort}`, async () => {
      const ids = await pagesOf((page) => {
        const request = { workspace: workspace.id, filter: EVERYTHING, sort, limit: 3, waitMs: 0 };
        return search({ ...request, ...page }, CONTEXT.caller, history());
      });
      assert.deepEqual(
        ids,
        range(0, EVENTS)
          .map((n) => `${workspace.id}-${n}`)
          .reverse(),
      );
    });
  }

  it('goes on with the next page among others, also of events of one time', async () => {
    const all = [others[1]!, workspace, others[0]!].flatMap(({ id }) =>
      range(0, EVENTS)
        .map((n) => `${id}-${n}`)
        .reverse(),
    );
    const ids = await pagesOf((page) =>
      searchAcross({ filter: EVERYTHING, limit: 7, ...page }, CONTEXT.caller, history()),
    );
    assert.deepEqual(ids, all);
  });

  it('answers who waits for a cursor from the history that has it', async () => {
    const gate = new Gate();
    const store = withMethods(backEnds.store, {
      checkpoint: async (of) => {
        await (of.generation === 0 ? gate.pass() : undefined);
        return backEnds.store.checkpoint(of);
      },
    });
    const request = { workspace: workspace.id, filter: EVERYTHING, limit: 100 };
    const waiting = search(
      { ...request, waitFor: cursor(EVENTS - 1), waitMs: 5_000 },
      CONTEXT.caller,
      history(store),
    );
    await gate.reached;
    // By the time the old history is asked how far it is, it is gone.
    await rebuild();
    gate.open();
    const { events, cursor: reached } = await waiting;
    assert.equal(events.length, EVENTS);
    assert.equal(reached, cursor(EVENTS - 1));
  });

  it('is one and the same for a query from its beginning to its end', async () => {
    const swapping = (rebuildIn: 'checkpoint' | 'search'): History['store'] => {
      let rebuilds = 0;
      const before = async (name: string): Promise<void> => {
        if (name === rebuildIn && rebuilds++ === 0) {
          const rebuilt = { ...workspace.history, generation: workspace.histories.next };
          await recordStep(workspaces, HISTORY.rebuilding, rebuilt);
          await write(workspace, rebuilt, 3);
          await recordStep(workspaces, HISTORY.rebuilt, rebuilt);
        }
      };
      return withMethods(backEnds.store, {
        checkpoint: async (of) => {
          const position = await backEnds.store.checkpoint(of);
          await before('checkpoint');
          return position;
        },
        search: async (query) => {
          await before('search');
          return backEnds.store.search(query);
        },
      });
    };
    const request = { workspace: workspace.id, filter: EVERYTHING, limit: 100, waitMs: 0 };
    const { events } = await search(request, CONTEXT.caller, history(swapping('checkpoint')));
    assert.equal(events.length, EVENTS);
    await rebuild();
    const counted = { ...request, count: true };
    const found = await search(counted, CONTEXT.caller, history(swapping('search')));
    assert.equal(found.total, EVENTS);
    await rebuild();
    const id = `${workspace.id}-${EVENTS - 1}`;
    const last = await eventById(id, workspace.id, CONTEXT.caller, history(swapping('checkpoint')));
    assert.equal(last.record.position, EVENTS - 1);
  });

  it('is what a subscriber reads who wants what the log has forgotten', async () => {
    const records = range(0, EVENTS).map((position) => recorded(position));
    await backEnds.log.append(workspace.id, records);
    await backEnds.log.trim(workspace.id, workspace.epoch, (EVENTS - 5) as Position);
    const sources = {
      ...backEnds,
      historyOf: (id: string, epoch: string) => workspaces.historyOf(id, epoch),
    };
    const tails = new Tails(sources, { ringBytesMax: 0, readBytes: 500, positionSeconds: 3600 });
    const tail = await tails.acquire(workspace.id);
    const positions: number[] = [];
    for (let after = BEFORE_FIRST; after < EVENTS - 1;) {
      const stretch = await tail.after(after);
      assert.equal(stretch.lostBefore, undefined);
      positions.push(...positionsOf(stretch.records));
      after = stretch.end;
      await rebuild();
    }
    assert.deepEqual(positions, range(0, EVENTS));
    for (const from of [{ last: EVENTS }, { position: cursor(1) }]) {
      const { position, lost } = await resolveFrom(from, parseFilter({}), workspace.id, sources);
      assert.deepEqual([position, lost], ['last' in from ? BEFORE_FIRST : 1, undefined]);
    }
    tails.release(tail);
    tails.close();
  });
});
