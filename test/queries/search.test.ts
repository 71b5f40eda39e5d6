import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Emitter } from '../../src/commands/emit.js';
import { Keyring } from '../../src/commands/keyring.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { ServiceError } from '../../src/errors.js';
import type { Json, Position } from '../../src/event.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { Projector } from '../../src/projections/project.js';
import { ALL_SHARES } from '../../src/projections/shares.js';
import { formatCursor } from '../../src/queries/cursor.js';
import { EVERYTHING, parseFilter } from '../../src/queries/filter.js';
import { HeavyQueries } from '../../src/queries/heavy.js';
import {
  eventById,
  search,
  type SearchRequest,
  type SearchResult,
} from '../../src/queries/search.js';
import { Subscriptions } from '../../src/queries/subscribe.js';
import type { History } from '../../src/queries/watermark.js';
import { positionsOf, range, readAll } from '../commands/sealed.js';
import {
  CONTEXT,
  STRANGER,
  withMethods,
  withWorkspaces,
  type BackEnds,
} from '../support/backends.js';
import { quotas } from '../support/quotas.js';
import { historize } from './history.js';
import { Reader } from './reader.js';

const ADMIN = CONTEXT.caller;
const ODD = range(0, 50).map((n) => String(2 * n + 1));

describe('A search', () => {
  let backEnds: BackEnds;
  let workspaces: Workspaces;
  let emitter: Emitter;
  let workspace: string;
  let epoch: string;

  withWorkspaces((...opened) => {
    [backEnds, workspaces] = opened;
    emitter = new Emitter(backEnds.log, workspaces, { eventBytesMax: 2000, idempotencyWindow: 9 });
  });

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    ({ epoch } = await workspaces.put(workspace, {}, CONTEXT));
  });

  const history = (store = backEnds.store): History => ({
    workspaces,
    store,
    log: backEnds.log,
    heavyQueries: new HeavyQueries(1),
  });
  const emit = async (from: number, to: number): Promise<void> => {
    const drafts = range(from, to).map((n) => ({
      id: `e${n}`,
      type: 'order.paid',
      payload: { n },
    }));
    await emitter.emit(workspace, drafts, CONTEXT);
  };
  const find = (
    { filter = {}, ...request }: { filter?: Json } & Partial<Omit<SearchRequest, 'filter'>> = {},
    caller = ADMIN,
  ): Promise<SearchResult> => {
    const all = { workspace, limit: 1000, waitMs: 0, ...request, filter: parseFilter(filter) };
    return search(all, caller, history());
  };
  const cursorAt = (position: number, of = epoch): string => formatCursor(of, position as Position);
  const positionsIn = ({ events }: SearchResult): number[] =>
    positionsOf(events.map(({ record }) => record));
  const shown = (result: SearchResult): unknown => ({
    positions: positionsIn(result),
    cursor: result.cursor,
    lag: result.lag,
  });

  it('finds what the history has, newest first, and tells how far that goes', async () => {
    const nothing = { positions: [], cursor: `${epoch}-start`, lag: 0 };
    assert.deepEqual(shown(await find()), nothing);
    await emit(0, 10);
    assert.deepEqual(shown(await find()), { ...nothing, lag: 10 });
    await historize(backEnds, workspace, 6);
    const found = { positions: range(0, 7).reverse(), cursor: `${epoch}-6`, lag: 3 };
    assert.deepEqual(shown(await find()), found);
    const odd = { ...found, positions: [5, 3, 1] };
    assert.deepEqual(shown(await find({ filter: { 'payload.n': ODD } })), odd);
  });

  it('finds nothing beyond what it tells, though the history has it already', async () => {
    await emit(0, 10);
    await historize(backEnds, workspace, 4);
    const beyond = (await readAll(backEnds.log, workspace)).slice(5);
    await backEnds.store.write(backEnds.historyOf(workspace, epoch), beyond);
    const result = { positions: range(0, 5).reverse(), cursor: `${epoch}-4`, lag: 5 };
    assert.deepEqual(shown(await find()), result);
    const missing = { code: 'event-not-found' };
    await assert.rejects(eventById('e5', workspace, ADMIN, history()), missing);
  });

  it('tells no more than it found, though the history goes on while it searches', async () => {
    await emit(0, 10);
    await historize(backEnds, workspace, 4);
    const store = withMethods(backEnds.store, {
      search: async (query) => {
        await historize(backEnds, workspace, 9);
        return backEnds.store.search(query);
      },
    });
    const request = { workspace, filter: EVERYTHING, limit: 100, waitMs: 0 };
    const { cursor, ...found } = await search(request, ADMIN, history(store));
    assert.equal(cursor, `${epoch}-4`);
    assert.deepEqual(
      found.events.map(({ record }) => record.position),
      range(0, 5).reverse(),
    );
  });

  it('and a subscription from its cursor give everything together, and nothing twice', async () => {
    const { log, store } = backEnds;
    const deadLetters = await DeadLetters.open(log, store, workspaces);
    const projector = new Projector({ log, store, deadLetters }, workspaces, ALL_SHARES);
    const config = { ringBytesMax: 2000, readBytes: 1000, positionSeconds: 3600 };
    const keyring = new Keyring();
    const readable = { ...backEnds, workspaces, keyring, quotas: quotas(workspaces) };
    const subscriptions = new Subscriptions(readable, config);
    projector.start();
    const filters: Json[] = [{}, { 'payload.n': ODD }];
    const searching: { filter: Json; result: Promise<SearchResult> }[] = [];
    try {
      for (const n of range(0, 60)) {
        const emitting = emit(5 * n, 5 * n + 5);
        const filter = filters[n % 2]!;
        // Now and then one that finds something for certain, but not all.
        const enough = n % 10 === 9 ? { waitFor: cursorAt(5 * n - 1), waitMs: 10_000 } : {};
        const result = find({ filter, ...enough });
        searching.push({ filter, result });
        await (n % 4 === 3 ? emitting : result);
      }
      const last = cursorAt(299);
      const whole = await find({ waitFor: last, waitMs: 10_000 });
      assert.deepEqual([whole.events.length, whole.cursor], [300, last]);
      for (const { filter, result } of searching) {
        const reader = new Reader();
        const { cursor: position } = await result;
        const request = { workspace, filter: parseFilter(filter), toHead: true };
        const opening = subscriptions.open(
          { ...request, from: { position } },
          CONTEXT,
          () => reader,
        );
        await (await opening).run();
        const all = positionsIn(await find({ filter })).reverse();
        assert.deepEqual([...positionsIn(await result).reverse(), ...reader.positions], all);
      }
    } finally {
      subscriptions.close();
      await projector.stop();
    }
  });

  describe('that waits for a position', () => {
    it('finds everything up to there when the history has it', async () => {
      await emit(0, 5);
      const waiting = find({ waitFor: cursorAt(4), waitMs: 10_000 });
      await historize(backEnds, workspace, 2);
      await historize(backEnds, workspace, 4);
      assert.equal((await waiting).events.length, 5);
      assert.equal((await find({ waitFor: cursorAt(4) })).events.length, 5);
      assert.equal((await find({ waitFor: cursorAt(-1) })).events.length, 5);
    });

    it('waits for a store that is away for the moment, but no longer', async () => {
      await emit(0, 5);
      await historize(backEnds, workspace, 4);
      let away = 2;
      const store = withMethods(backEnds.store, {
        checkpoint: (of) =>
          away-- > 0
            ? Promise.reject(new ServiceError('unavailable', 'no shard'))
            : backEnds.store.checkpoint(of),
      });
      const request = { workspace, limit: 1000, waitFor: cursorAt(4), filter: EVERYTHING };
      const found = await search({ ...request, waitMs: 10_000 }, ADMIN, history(store));
      assert.equal(found.events.length, 5);
      away = Infinity;
      const failing = search({ ...request, waitMs: 20 }, ADMIN, history(store));
      await assert.rejects(failing, { code: 'unavailable', message: 'no shard' });
    });

    it('is refused when that takes too long, with how far it is', async () => {
      await emit(0, 5);
      await historize(backEnds, workspace, 2);
      for (const waitMs of [0, 20]) {
        const begin = performance.now();
        await assert.rejects(find({ waitFor: cursorAt(3), waitMs }), (error) => {
          assert.ok(error instanceof ServiceError);
          assert.equal(error.code, 'wait-timeout');
          assert.ok(error.message.includes(cursorAt(2)));
          assert.equal(error.retryAfterSeconds, 1);
          return true;
        });
        assert.ok(performance.now() - begin >= waitMs - 1);
      }
    });
  });

  it('is refused with a cursor of another workspace, or with none', async () => {
    for (const at of ['next', 'waitFor'] as const) {
      for (const text of [cursorAt(0, 'abcdefgh'), 'x']) {
        await assert.rejects(find({ [at]: text }), (error) => {
          assert.ok(error instanceof ServiceError);
          assert.equal(error.code, 'invalid-cursor');
          assert.equal(error.errors?.[0]?.path, at);
          return true;
        });
      }
    }
  });

  it('finds nothing of a workspace of the same name that was deleted', async () => {
    await emit(0, 5);
    await historize(backEnds, workspace, 4);
    const old = cursorAt(2);
    await workspaces.delete(workspace, CONTEXT, 0);
    await assert.rejects(find(), { code: 'workspace-not-found' });
    ({ epoch } = await workspaces.put(workspace, {}, CONTEXT));
    assert.deepEqual((await find()).events, []);
    await assert.rejects(find({ waitFor: old }), { code: 'invalid-cursor' });
    const missing = { code: 'event-not-found' };
    await assert.rejects(eventById('e1', workspace, ADMIN, history()), missing);
  });

  it('is refused to who may read nothing, before anything else is told', async () => {
    const forbidden = { code: 'forbidden' };
    for (const request of [{}, { workspace: 'nowhere' }, { next: 'x' }]) {
      await assert.rejects(find(request, STRANGER.caller), forbidden);
    }
    const stranger = STRANGER.caller;
    await assert.rejects(eventById('e', workspace, stranger, history()), forbidden);
  });

  describe('for one event', () => {
    it('finds it by its id, whatever characters that has', async () => {
      const ids = ['a', '*', String.raw`\*`, 'o-*', 'o-1', '%2F/..'];
      const drafts = ids.map((id) => ({ id, type: 'order.paid', payload: {} }));
      await emitter.emit(workspace, drafts, CONTEXT);
      await historize(backEnds, workspace, ids.length - 1);
      for (const [position, id] of ids.entries()) {
        const found = await eventById(id, workspace, ADMIN, history());
        assert.deepEqual([found.epoch, found.record.position], [epoch, position]);
        assert.equal(found.record.event.id, id);
      }
    });

    it('says that there is none', async () => {
      await emit(0, 1);
      await historize(backEnds, workspace, 0);
      for (const id of ['e1', 'e', 'e*', '']) {
        await assert.rejects(eventById(id, workspace, ADMIN, history()), {
          code: 'event-not-found',
          message: `There is no event ${id} in the history.`,
        });
      }
    });
  });
});
