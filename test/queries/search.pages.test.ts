import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Emitter } from '../../src/commands/emit.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { ServiceError } from '../../src/errors.js';
import type { Json } from '../../src/event.js';
import { parseFilter } from '../../src/queries/filter.js';
import { HeavyQueries } from '../../src/queries/heavy.js';
import {
  search,
  searchAcross,
  type Found,
  type PageRequest,
  type SearchResult,
} from '../../src/queries/search.js';
import type { History } from '../../src/queries/watermark.js';
import { range } from '../commands/sealed.js';
import {
  CONTEXT,
  Gate,
  STRANGER,
  withMethods,
  withWorkspaces,
  type BackEnds,
} from '../support/backends.js';
import { historize } from './history.js';

const ADMIN = CONTEXT.caller;
const COUNT = 23;
const ALL = range(0, COUNT);
/** Neither in the order of positions nor all different. */
const hourOf = (n: number): number => (n * 7) % 10;
const timeOf = (n: number): string => `2026-01-01T0${String(hourOf(n))}:00:00Z`;
const byTime = (a: number, b: number): number => hourOf(a) - hourOf(b) || a - b;

/** The same request, but for what a test says otherwise. */
type Asked = Partial<Omit<PageRequest, 'filter'>> & { filter?: Json };

describe('The pages of a search', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let emitter: Emitter;
  let workspace: string;
  let history: History;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
    const { log, store } = backEnds;
    emitter = new Emitter(log, workspaces, { eventBytesMax: 2000, idempotencyWindow: 9 });
    history = { workspaces, store, log, heavyQueries: new HeavyQueries(1) };
  });

  const emit = async (to: string, numbers: readonly number[]): Promise<void> => {
    const drafts = numbers.map((n) => ({
      id: `e${n}`,
      type: n % 2 === 1 ? 'odd' : 'even',
      time: timeOf(n),
      payload: { n },
    }));
    await emitter.emit(to, drafts, CONTEXT);
  };
  const requestOf = ({ filter = {}, ...asked }: Asked): PageRequest => ({
    limit: 5,
    ...asked,
    filter: parseFilter(filter),
  });
  const find = (asked: Asked = {}): Promise<SearchResult> =>
    search({ ...requestOf(asked), workspace, waitMs: 0 }, ADMIN, history);
  const numbersOf = ({ events }: Found): number[] =>
    events.map(({ record }) => record.event.payload.n as number);
  const refusal = async (asking: Promise<unknown>): Promise<[string, string | undefined]> => {
    const error = await asking.then(
      () => assert.fail('was answered'),
      (refused: unknown) => refused,
    );
    assert.ok(error instanceof ServiceError);
    return [error.code, error.errors?.[0]?.path];
  };

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    await workspaces.put(workspace, {}, CONTEXT);
    await emit(workspace, ALL);
    await historize(backEnds, workspace, COUNT - 1);
  });

  for (const sort of ['position', 'time'] as const) {
    for (const order of ['newest', 'oldest'] as const) {
      const sorted = (numbers: readonly number[]): number[] => {
        const oldest = sort === 'time' ? numbers.toSorted(byTime) : [...numbers];
        return order === 'newest' ? oldest.reverse() : oldest;
      };

      it(`are all of it together, there and back: the ${order} by ${sort}`, async () => {
        for (const [filter, matching] of [
          [{}, ALL],
          [{ type: 'odd' }, ALL.filter((n) => n % 2 === 1)],
        ] as const) {
          for (const limit of [1, 5, COUNT, COUNT + 1]) {
            let page = await find({ filter, limit, sort, order });
            assert.equal(page.previous, undefined);
            const there = [numbersOf(page)];
            while (page.next !== undefined) {
              page = await find({ filter, limit, next: page.next });
              there.push(numbersOf(page));
            }
            assert.deepEqual(there.flat(), sorted(matching));
            assert.ok(there.slice(0, -1).every(({ length }) => length === limit));
            const back = [numbersOf(page)];
            while (page.previous !== undefined) {
              page = await find({ filter, limit, previous: page.previous });
              back.unshift(numbersOf(page));
            }
            assert.deepEqual(back, there);
          }
        }
      });
    }
  }

  it('speak of one moment, which their cursor tells, though more comes meanwhile', async () => {
    const first = await find({ sort: 'time', order: 'oldest' });
    await emit(workspace, range(COUNT, 2 * COUNT));
    await historize(backEnds, workspace, 2 * COUNT - 1);
    const second = await find({ next: first.next! });
    assert.equal(second.cursor, first.cursor);
    const together = [...numbersOf(first), ...numbersOf(second)];
    assert.deepEqual(together, ALL.toSorted(byTime).slice(0, 10));
    assert.notEqual((await find()).cursor, first.cursor);
  });

  it('tell how many events match, where that is asked for', async () => {
    assert.equal((await find()).total, undefined);
    assert.equal((await find({ count: true })).total, COUNT);
    const odd = await find({ count: true, filter: { type: 'odd' }, limit: 1 });
    assert.equal(odd.total, 11);
    assert.equal((await find({ count: true, next: odd.next!, filter: { type: 'odd' } })).total, 11);
  });

  it('are refused where they are of another search, or of none', async () => {
    const { next } = await find();
    const { previous } = await find({ next: next! });
    const other = `w-${randomUUID()}`;
    await workspaces.put(other, {}, CONTEXT);
    const elsewhere = { ...requestOf({ next: next! }), workspace: other, waitMs: 0 };
    const cursor = ['invalid-cursor', 'next'];
    assert.deepEqual(await refusal(search(elsewhere, ADMIN, history)), cursor);
    for (const asked of [{ next: 'x' }, { next: '' }, { next: btoa('[1]') }, { next: previous! }]) {
      assert.deepEqual(await refusal(find(asked)), cursor);
    }
    assert.deepEqual(await refusal(find({ next: next!, sort: 'time' })), cursor);
    assert.deepEqual(await refusal(find({ next: next!, order: 'oldest' })), cursor);
    assert.deepEqual(await refusal(find({ previous: next! })), ['invalid-cursor', 'previous']);
    const both = find({ next: next!, previous: previous! });
    assert.deepEqual(await refusal(both), ['invalid-request', 'previous']);
    assert.equal(numbersOf(await find({ next: next!, sort: 'position' })).length, 5);
  });

  it('of all workspaces are in the order of time', async () => {
    const mine = [workspace, `w-${randomUUID()}`, `w-${randomUUID()}`].sort();
    for (const [index, id] of mine.entries()) {
      if (id !== workspace) {
        await workspaces.put(id, {}, CONTEXT);
        await emit(id, range(0, 3 * index + 1));
        await historize(backEnds, id, 3 * index);
      }
    }
    const filter = { workspaceId: mine };
    const expected: string[] = [];
    for (const id of mine) {
      const count = id === workspace ? COUNT : 3 * mine.indexOf(id) + 1;
      expected.push(...range(0, count).map((n) => `${String(hourOf(n))} ${id} ${String(100 + n)}`));
    }
    const ask = (asked: Asked): Promise<Found> =>
      searchAcross(requestOf({ filter, limit: 7, ...asked }), ADMIN, history);
    let page = await ask({ order: 'oldest', count: true });
    assert.equal(page.total, expected.length);
    const found: string[] = [];
    for (;;) {
      for (const { epoch, record } of page.events) {
        const { workspaceId, payload } = record.event;
        found.push(
          `${String(hourOf(payload.n as number))} ${workspaceId} ${100 + Number(payload.n)}`,
        );
        assert.equal(epoch, workspaces.get(workspaceId)!.epoch);
      }
      if (page.next === undefined) {
        break;
      }
      page = await ask({ next: page.next });
    }
    assert.deepEqual(found, expected.toSorted());
    const { next } = await ask({});
    assert.deepEqual(await refusal(find({ next: next! })), ['invalid-cursor', 'next']);
    const asStranger = searchAcross(requestOf({}), STRANGER.caller, history);
    await assert.rejects(asStranger, { code: 'forbidden' });
  });

  it('are counted for as many at once as may, and by workspace', async () => {
    const gate = new Gate();
    const store = withMethods(backEnds.store, {
      aggregate: async (query) => {
        await gate.pass();
        return backEnds.store.aggregate(query);
      },
    });
    const slow = { ...history, store };
    const count = { ...requestOf({ count: true }), workspace, waitMs: 0 };
    const counting = search(count, ADMIN, slow);
    await gate.reached;
    await assert.rejects(search(count, ADMIN, history), {
      code: 'limit-exceeded',
      retryAfterSeconds: 1,
    });
    assert.equal(numbersOf(await find()).length, 5);
    const across = await searchAcross(requestOf({ count: true }), ADMIN, history);
    assert.ok(across.total! >= COUNT);
    gate.open();
    assert.equal((await counting).total, COUNT);
    assert.equal((await search(count, ADMIN, history)).total, COUNT);
  });

  it('are given up when who asked for them has left', async () => {
    const asked = requestOf({ left: AbortSignal.abort(), count: true });
    await assert.rejects(search({ ...asked, workspace, waitMs: 0 }, ADMIN, history), {
      name: 'AbortError',
    });
  });
});
