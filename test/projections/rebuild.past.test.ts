import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import { BEFORE_FIRST, type Incarnation, type Position } from '../../src/event.js';
import type { Batch } from '../../src/commands/log.js';
import { pastAndLog } from '../../src/projections/rebuild.past.js';
import type { EventStore } from '../../src/projections/store.js';
import { numbered, positionsOf, range } from '../commands/sealed.js';
import { historize } from '../queries/history.js';
import { withBackEnds, withMethods, type BackEnds } from '../support/backends.js';

/** More than one read takes of either. */
const EVENTS = 3000;

describe('What a history is rebuilt from', () => {
  let backEnds: BackEnds;
  let old: Incarnation;

  withBackEnds((opened) => {
    backEnds = opened;
  });

  beforeEach(async () => {
    const workspace = `w-${randomUUID()}`;
    const { epoch } = await backEnds.log.create(workspace, {});
    old = backEnds.historyOf(workspace, epoch);
    await backEnds.log.append(workspace, numbered(0, EVENTS));
  });

  const forget = (before: number): Promise<number> =>
    backEnds.log.trim(old.id, old.epoch, before as Position);
  /** All there is after a position, up to another; each stretch is held to the one before. */
  const walk = async (
    after: number,
    to: number,
    each: (stretch: Batch) => Promise<void> | void = () => undefined,
    methods: { log?: Partial<EventLog>; store?: Partial<EventStore> } = {},
  ): Promise<number[]> => {
    const log = withMethods<EventLog>(backEnds.log, methods.log ?? {});
    const store = withMethods(backEnds.store, methods.store ?? {});
    const found: number[] = [];
    const stopping = new AbortController();
    const { signal } = stopping;
    let reached = after;
    for await (const stretch of pastAndLog(old, { log, store }, after as Position, signal)) {
      assert.ok(stretch.first <= reached + 1, 'it would be told as lost');
      found.push(...positionsOf(stretch.records));
      reached = stretch.last;
      await each(stretch);
      if (reached >= to) {
        stopping.abort();
      }
    }
    return found;
  };

  it('is the log, where that has all of it', async () => {
    assert.deepEqual(await walk(BEFORE_FIRST, EVENTS - 1), range(0, EVENTS));
    assert.deepEqual(await walk(41, EVENTS - 1), range(42, EVENTS));
  });

  it('is the old history up to where the log begins, and then the log', async () => {
    await historize(backEnds, old.id, EVENTS - 1);
    await forget(2000);
    assert.deepEqual(await walk(BEFORE_FIRST, EVENTS - 1), range(0, EVENTS));
    assert.deepEqual(await walk(1500, EVENTS - 1), range(1501, EVENTS));
  });

  it('is complete although the log forgets meanwhile what was to be read from it', async () => {
    await historize(backEnds, old.id, EVENTS - 1);
    const found = await walk(BEFORE_FIRST, EVENTS - 1, async ({ last }) => {
      await forget(Math.min(last + 500, EVENTS));
    });
    assert.deepEqual(found, range(0, EVENTS));
  });

  it('waits for the old history where that is not yet at what the log has forgotten', async () => {
    await historize(backEnds, old.id, 999);
    const { records } = await backEnds.log.read(old.id, BEFORE_FIRST, Infinity);
    await forget(2000);
    let looks = 0;
    // What the log had not yet forgotten when it was read is still being written.
    const checkpoint: EventStore['checkpoint'] = async (of) => {
      const position = await backEnds.store.checkpoint(of);
      if (++looks === 4) {
        await backEnds.store.write(of, records);
        await backEnds.store.advance(of, (EVENTS - 1) as Position);
      }
      return position;
    };
    const found = await walk(BEFORE_FIRST, EVENTS - 1, undefined, { store: { checkpoint } });
    assert.deepEqual(found, range(0, EVENTS));
    assert.ok(looks > 4);
  });

  it('ends when it is told to, wherever it is', async () => {
    await historize(backEnds, old.id, EVENTS - 1);
    await forget(2000);
    for (const to of [0, 500, 1200]) {
      const found = await walk(BEFORE_FIRST, to);
      assert.deepEqual(found, range(0, found.length));
      assert.ok(found.length > to && found.length < EVENTS, `${found.length} for ${to}`);
    }
  });
});
