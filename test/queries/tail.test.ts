import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { LogTruncated, type EventLog } from '../../src/commands/log.js';
import type { ServiceError } from '../../src/errors.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { parseFilter } from '../../src/queries/filter.js';
import { Ring } from '../../src/queries/ring.js';
import { Tail, type Stretch } from '../../src/queries/tail.js';
import {
  dropLog,
  numbered,
  positionsOf,
  range,
  readAll,
  sealed,
  trimLog,
} from '../commands/sealed.js';
import { withMethods, withBackEnds, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';
import { historize } from './history.js';
import { Reader } from './reader.js';

const CONFIG = { ringBytesMax: 1_000_000, readBytes: 2000, positionSeconds: 3600 };

describe('A tail', () => {
  let backEnds: BackEnds;
  let workspace: string;
  let started: Tail[];
  let reads: number;

  withBackEnds((opened) => {
    backEnds = opened;
  });

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    started = [];
    reads = 0;
    await backEnds.log.create(workspace, {});
  });

  afterEach(() => {
    started.forEach((tail) => {
      tail.stop();
    });
  });

  /** A tail on the real log, but for some of its calls, that has reached the head. */
  const start = async (methods: Partial<EventLog> = {}, config = CONFIG): Promise<Tail> => {
    const log = withMethods<EventLog>(backEnds.log, {
      read: (...args) => {
        reads++;
        return backEnds.log.read(...args);
      },
      ...methods,
    });
    const bounds = await log.bounds(workspace);
    const ring = new Ring(() => config.ringBytesMax);
    const tail = new Tail(workspace, bounds, { ...backEnds, log }, config, ring);
    started.push(tail);
    tail.start();
    await tail.reach((bounds.next - 1) as Position);
    return tail;
  };
  const append = async (from: number, to: number): Promise<void> => {
    await backEnds.log.append(workspace, numbered(from, to));
  };
  const trim = (before: number): Promise<void> => trimLog(backEnds.log, workspace, before);
  /** All that a reader gets who goes from a position to the head. */
  const walk = async (tail: Tail, from: number): Promise<number[]> => {
    const positions: number[] = [];
    for (let after = from; after < tail.head;) {
      const { records, end } = await tail.after(after as Position);
      assert.ok(end > after, 'it does not get on');
      positions.push(...positionsOf(records));
      after = end;
    }
    return positions;
  };
  const shown = ({ records, ...rest }: Stretch): unknown => ({
    ...rest,
    records: positionsOf(records),
  });

  it('begins at the head, with the latest thousand events at hand', async () => {
    await append(0, 1500);
    const tail = await start();
    assert.equal(tail.head, 1499);
    for (const position of [499, 800, 1498]) {
      const { records } = await tail.after(position as Position);
      assert.equal(records[0]?.position, position + 1);
    }
    assert.equal(reads, 0);
    await tail.after(498 as Position);
    assert.equal(reads, 1);
  });

  it('knows the incarnation that it is of', async () => {
    const { epoch } = await backEnds.log.bounds(workspace);
    const tail = await start();
    assert.deepEqual([tail.workspace, tail.epoch, tail.head], [workspace, epoch, BEFORE_FIRST]);
  });

  it('leads from anywhere to the head without a gap, by reads of bounded size', async () => {
    for (const begin of range(0, 20)) {
      await append(5 * begin, 5 * begin + 5);
    }
    const bytes = sealed(99).bytes.length;
    for (const ringBytesMax of [0, 30 * bytes, 1_000_000]) {
      const tail = await start({}, { ...CONFIG, ringBytesMax, readBytes: 10 * bytes });
      for (const from of range(-1, 100)) {
        assert.deepEqual(await walk(tail, from), range(from + 1, 100));
      }
    }
    const tail = await start({}, { ...CONFIG, ringBytesMax: 0, readBytes: 10 * bytes });
    assert.ok((await tail.after(BEFORE_FIRST)).records.length <= 11);
  });

  it('reads once for all who stand at the same position at about the same time', async () => {
    await append(0, 40);
    const tail = await start({}, { ...CONFIG, ringBytesMax: 0 });
    const from = [BEFORE_FIRST, 12 as Position];
    const stretches = await Promise.all([...from, ...from, ...from].map((at) => tail.after(at)));
    assert.equal(reads, from.length);
    assert.equal(stretches[0]!.records[3]!.event, stretches[2]!.records[3]!.event);
    await tail.after(BEFORE_FIRST);
    assert.equal(reads, from.length + 1);
  });

  describe('where the log has forgotten', () => {
    it('goes on with what the history has', async () => {
      await append(0, 40);
      await historize(backEnds, workspace, 35);
      await trim(30);
      const tail = await start({}, { ...CONFIG, ringBytesMax: 0 });
      for (const from of [-1, 0, 12, 28, 29, 30]) {
        assert.deepEqual(await walk(tail, from), range(from + 1, 40));
      }
    });

    it('says what nothing holds any more, once, and goes on after it', async () => {
      await append(0, 40);
      await historize(backEnds, workspace, 9);
      await trim(30);
      const tail = await start({}, { ...CONFIG, ringBytesMax: 0, readBytes: 1_000_000 });
      const stretch = await tail.after(3 as Position);
      assert.deepEqual(shown(stretch), { records: range(4, 10), end: 9 });
      const gap = await tail.after(9 as Position);
      assert.deepEqual(shown(gap), { records: range(30, 40), end: 39, lostBefore: 30 });
      assert.deepEqual(shown(await tail.after(30 as Position)), {
        records: range(31, 40),
        end: 39,
      });
    });

    it('says so too where the log holds nothing at all', async () => {
      await append(0, 5);
      await trim(5);
      const tail = await start();
      const lost = { records: [], end: 4, lostBefore: 5 };
      assert.deepEqual(shown(await tail.after(BEFORE_FIRST)), lost);
      assert.deepEqual(shown(await tail.after(3 as Position)), lost);
    });

    it('says what the history has been trimmed of, and goes on after it', async () => {
      await append(0, 40);
      const { epoch } = await backEnds.log.bounds(workspace);
      const of = backEnds.historyOf(workspace, epoch);
      await historize(backEnds, workspace, 39);
      await trim(30);
      const tail = await start({}, { ...CONFIG, ringBytesMax: 0, readBytes: 1_000_000 });
      for await (const removed of backEnds.store.trim(of, 9 as Position)) {
        assert.equal(removed, 10);
      }
      const lost = { records: [], end: 9, lostBefore: 10 };
      assert.deepEqual(shown(await tail.after(BEFORE_FIRST)), lost);
      assert.deepEqual(shown(await tail.after(8 as Position)), lost);
      const kept = await tail.after(9 as Position);
      assert.deepEqual(shown(kept), { records: range(10, 30), end: 29 });
      // What the log still has is not lost, whatever the history has been trimmed of.
      for await (const removed of backEnds.store.trim(of, 34 as Position)) {
        assert.equal(removed, 25);
      }
      const rest = { records: range(30, 40), end: 39 };
      assert.deepEqual(shown(await tail.after(29 as Position)), rest);
      const all = { records: [], end: 29, lostBefore: 30 };
      assert.deepEqual(shown(await tail.after(12 as Position)), all);
    });

    it('serves nothing of what is being trimmed, as some of it may be gone', async () => {
      await append(0, 20);
      await historize(backEnds, workspace, 19);
      await trim(20);
      const store = withMethods(backEnds.store, {
        trimmed: () => Promise.resolve(4 as Position),
      });
      const bounds = await backEnds.log.bounds(workspace);
      const ring = new Ring(() => 0);
      const tail = new Tail(workspace, bounds, { ...backEnds, store }, CONFIG, ring);
      const lost = { records: [], end: 4, lostBefore: 5 };
      assert.deepEqual(shown(await tail.after(2 as Position)), lost);
      tail.stop();
    });

    it('serves no more of the history than its checkpoint vouches for', async () => {
      await append(0, 20);
      await historize(backEnds, workspace, 19);
      await trim(20);
      const store = withMethods(backEnds.store, {
        checkpoint: () => Promise.resolve(9 as Position),
      });
      const bounds = await backEnds.log.bounds(workspace);
      const tail = new Tail(
        workspace,
        bounds,
        { ...backEnds, store },
        { ...CONFIG, readBytes: 1_000_000 },
        new Ring(() => 0),
      );
      const vouched = { records: range(0, 10), end: 9 };
      assert.deepEqual(shown(await tail.after(BEFORE_FIRST)), vouched);
      tail.stop();
    });

    it('says what was lost in the midst of the history, and goes on after it', async () => {
      await append(0, 40);
      const { epoch } = await backEnds.log.bounds(workspace);
      const of = backEnds.historyOf(workspace, epoch);
      const records = await readAll(backEnds.log, workspace);
      await backEnds.store.write(
        of,
        records.filter(({ position }) => position < 10 || position >= 20),
      );
      await backEnds.store.lose(of, [{ after: 9 as Position, before: 20 as Position }]);
      await backEnds.store.advance(of, 39 as Position);
      await trim(30);
      const tail = await start({}, { ...CONFIG, ringBytesMax: 0, readBytes: 1_000_000 });
      const kept = { records: range(4, 10), end: 9 };
      assert.deepEqual(shown(await tail.after(3 as Position)), kept);
      const lost = { records: [], end: 19, lostBefore: 20 };
      for (const position of [9, 12, 18]) {
        assert.deepEqual(shown(await tail.after(position as Position)), lost);
      }
      const rest = { records: range(20, 30), end: 29 };
      assert.deepEqual(shown(await tail.after(19 as Position)), rest);
    });

    it('looks once more for what was being historized', async () => {
      await append(0, 20);
      await historize(backEnds, workspace, 9);
      await trim(20);
      const tail = await start({}, { ...CONFIG, ringBytesMax: 0, readBytes: 1_000_000 });
      assert.deepEqual(shown(await tail.after(4 as Position)), { records: range(5, 10), end: 9 });
      const { epoch } = await backEnds.log.bounds(workspace);
      await backEnds.store.advance(backEnds.historyOf(workspace, epoch), 19 as Position);
      assert.deepEqual(shown(await tail.after(9 as Position)), { records: [], end: 19 });
    });

    it('has lost nothing that was never to be kept', async () => {
      await append(0, 40);
      const { epoch } = await backEnds.log.bounds(workspace);
      await backEnds.store.advance(backEnds.historyOf(workspace, epoch), 39 as Position);
      await trim(30);
      const tail = await start({}, { ...CONFIG, ringBytesMax: 0, readBytes: 1_000_000 });
      assert.deepEqual(shown(await tail.after(5 as Position)), { records: [], end: 29 });
      await trim(40);
      assert.deepEqual(shown(await tail.after(5 as Position)), { records: [], end: 39 });
    });

    it('does not take the word of a history of an earlier incarnation', async () => {
      await append(0, 5);
      await backEnds.store.advance(backEnds.historyOf(workspace, 'abcdefgh'), 99 as Position);
      await trim(5);
      const tail = await start();
      assert.equal((await tail.after(BEFORE_FIRST)).lostBefore, 5);
    });
  });

  it('has whoever waits go on when the head has moved', async () => {
    const tail = await start();
    const [moved, reached] = [tail.moved(), tail.reach(2 as Position)];
    await append(0, 1);
    await moved;
    assert.equal(tail.head, 0);
    await append(1, 3);
    await reached;
    assert.equal(tail.head, 2);
    await tail.reach(1 as Position);
  });

  it('tells its members how far it is, from time to time', async () => {
    const tail = await start({}, { ...CONFIG, positionSeconds: 0.01 });
    const idle = new Reader();
    tail.fanout.join(parseFilter({ type: 'never' }), idle);
    await append(0, 3);
    await until('it is told', () => idle.told.some((told) => String(told) === 'moved,2'));
    tail.stop();
    const { length } = idle.told;
    await append(3, 4);
    assert.equal(idle.told.length, length);
  });

  it('goes on after the log could not be read, without a gap for anybody', async () => {
    let failures = 1;
    const tail = await start({
      follow: async function* (...args) {
        for await (const batch of backEnds.log.follow(...args)) {
          yield batch;
          if (failures-- > 0) {
            throw new Error('the log cannot be read');
          }
        }
      },
    });
    const [reader, other] = [new Reader(), new Reader()];
    tail.fanout.join(parseFilter({}), reader);
    await append(0, 3);
    await until('the first are delivered', () => reader.positions.length === 3);
    await append(3, 6);
    tail.fanout.join(parseFilter({ type: 'test.*' }), other);
    await tail.reach(5 as Position);
    assert.ok(failures < 0);
    assert.deepEqual(reader.positions, range(0, 6));
    assert.deepEqual(other.positions, range(3, 6));
    assert.deepEqual(await walk(tail, -1), range(0, 6));
  });

  it('is over where the log has lost what it has delivered: its positions come again', async () => {
    const tail = await start({
      follow: async function* (of, epoch, after, signal) {
        if (after >= 0) {
          throw new LogTruncated(of, after);
        }
        for await (const batch of backEnds.log.follow(of, epoch, after, signal)) {
          yield batch;
          throw new Error('the broker is away');
        }
      },
    });
    const failed = new Promise<ServiceError>((resolve) => tail.onFailed(resolve));
    await append(0, 3);
    assert.equal((await failed).code, 'unavailable');
    await assert.rejects(tail.reach(3 as Position), { code: 'unavailable' });
  });

  it('is over when its workspace is, for all who listen, wait, or come later', async () => {
    const tail = await start();
    const codes: string[] = [];
    const listen = (): (() => void) => tail.onFailed(({ code }: ServiceError) => codes.push(code));
    listen();
    const unlisten = listen();
    unlisten();
    const [moved, reached] = [tail.moved(), assert.rejects(tail.reach(5 as Position), NOT_FOUND)];
    await dropLog(backEnds.log, workspace);
    await moved;
    await reached;
    assert.deepEqual(codes, ['workspace-not-found']);
    listen();
    assert.equal(codes.length, 2);
    await assert.rejects(tail.reach(5 as Position), NOT_FOUND);
  });

  it('that is stopped follows no more', async () => {
    let ended = false;
    const tail = await start({
      follow: async function* (...args) {
        yield* backEnds.log.follow(...args);
        ended = true;
      },
    });
    tail.stop();
    await until('the follow has ended', () => ended);
    await append(0, 1);
    assert.equal(tail.head, BEFORE_FIRST);
  });
});

const NOT_FOUND = { code: 'workspace-not-found' };
