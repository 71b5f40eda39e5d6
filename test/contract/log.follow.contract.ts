import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { LogTruncated, type Batch, type EventLog } from '../../src/commands/log.js';
import { BEFORE_FIRST, type Position, type Recorded } from '../../src/event.js';
import {
  dropLog,
  followLog,
  numbered,
  numbersOf,
  positionsOf,
  range,
  sealed,
  trimLog,
} from '../commands/sealed.js';

interface Subject {
  readonly log: EventLog;
  readonly workspace: string;
}

/** What every back end of the log promises to those who follow it. */
export function followContract(current: () => Subject): void {
  describe('follow', () => {
    let log: EventLog;
    let workspace: string;
    let ended: AbortController;

    beforeEach(() => {
      ({ log, workspace } = current());
      ended = new AbortController();
    });

    afterEach(() => {
      ended.abort();
    });

    const followOf = (epoch: string): AsyncIterator<Batch> =>
      log.follow(workspace, epoch, BEFORE_FIRST, ended.signal)[Symbol.asyncIterator]();
    const follow = (after: Position = BEFORE_FIRST): AsyncIterator<Batch> =>
      followLog(log, workspace, after, ended.signal);

    it('gives what is there, then waits for what comes', async () => {
      await log.append(workspace, numbered(0, 3));
      const follower = follow();
      assert.deepEqual(numbersOf(await take(follower, 3)), [0, 1, 2]);
      for (const n of range(3, 20)) {
        const coming = follower.next();
        await log.append(workspace, [sealed(n)]);
        assert.deepEqual(numbersOf((await coming).value.records), [n]);
      }
    });

    it('gives the same to all, however many they are', async () => {
      const followers = range(0, 30).map(() => follow());
      const taken = followers.map((follower) => take(follower, 40));
      for (const n of range(0, 20)) {
        await log.append(workspace, numbered(2 * n, 2 * n + 2));
      }
      for (const records of await Promise.all(taken)) {
        assert.deepEqual(numbersOf(records), range(0, 40));
      }
    });

    it('gives a slow follower everything in order', async () => {
      const follower = follow();
      const first = follower.next();
      await log.append(workspace, [sealed(0)]);
      const records: Recorded[] = [...(await first).value.records];
      for (const round of range(0, 10)) {
        // Twenty appends pass between two looks of the follower.
        for (const n of range(20 * round + 1, 20 * round + 21)) {
          await log.append(workspace, [sealed(n)]);
        }
        records.push(...(await follower.next()).value.records);
      }
      records.push(...(await take(follower, 201 - records.length)));
      assert.deepEqual(numbersOf(records), range(0, 201));
    });

    it('has no gap and no duplicate, wherever and whenever one begins', async () => {
      const total = 600;
      const known: Position[] = [BEFORE_FIRST];
      const started: Promise<() => void>[] = [];
      const begin = async (): Promise<() => void> => {
        const index = randomInt(known.length);
        const records = await take(follow(known[index]), total - index);
        // A follower may have the last one before who appended it knows where it is.
        return () => {
          assert.deepEqual(numbersOf(records), range(index, total));
          assert.deepEqual(positionsOf(records), known.slice(index + 1));
        };
      };
      while (known.length <= total) {
        const count = Math.min(randomInt(1, 6), total + 1 - known.length);
        const next = known.length - 1;
        const append = log.append(workspace, numbered(next, next + count));
        // Some begin while the append runs, some right after it.
        started.push(...(randomInt(3) === 0 ? [begin()] : []));
        const first = await append;
        known.push(...(range(first, first + count) as Position[]));
        started.push(...(randomInt(3) === 0 ? [begin()] : []));
      }
      for (const check of await Promise.all([begin(), ...started])) {
        check();
      }
    });

    it('begins with the oldest held where older ones are asked for, and tells it', async () => {
      const positions: Position[] = [];
      for (const n of range(0, 6)) {
        positions.push(await log.append(workspace, [sealed(n)]));
      }
      await trimLog(log, workspace, positions[4]!);
      const { value } = (await follow().next()) as IteratorYieldResult<Batch>;
      assert.equal(value.first, positions[4]);
      assert.deepEqual(numbersOf(value.records), [4, 5]);
    });

    it('ends when it is aborted, while it waits and before it begins', async () => {
      const waiting = follow();
      const next = waiting.next();
      ended.abort();
      assert.equal((await next).done, true);
      assert.equal((await follow().next()).done, true);
    });

    it('waits for the records of the workspace alone', async () => {
      await log.create(`${workspace}-2`, {});
      const next = follow().next();
      await log.append(`${workspace}-2`, [sealed(0)]);
      await log.append(workspace, [sealed(1)]);
      assert.deepEqual(numbersOf((await next).value.records), [1]);
    });

    it('fails where it was read up to what the log does not hold: that was lost', async () => {
      await log.append(workspace, numbered(0, 3));
      await assert.rejects(follow(3 as Position).next(), LogTruncated);
      const next = follow(2 as Position).next();
      await log.append(workspace, [sealed(3)]);
      assert.deepEqual(numbersOf((await next).value.records), [3]);
    });

    it('gives nothing of another incarnation, neither before nor after it', async () => {
      const { epoch } = await log.bounds(workspace);
      await assert.rejects(followOf('abcdefgh').next(), { code: 'workspace-not-found' });
      await dropLog(log, workspace);
      const again = await log.create(workspace, {});
      await assert.rejects(followOf(epoch).next(), { code: 'workspace-not-found' });
      await log.append(workspace, [sealed(0)]);
      assert.deepEqual(numbersOf((await followOf(again.epoch).next()).value.records), [0]);
    });

    it('fails when the workspace is dropped, even if it is made again', async () => {
      const { epoch } = await log.bounds(workspace);
      const next = followOf(epoch).next();
      const behind = follow();
      await Promise.all([
        assert.rejects(next, { code: 'workspace-not-found' }),
        log.drop(workspace, epoch),
        log.create(workspace, {}),
      ]);
      await log.append(workspace, [sealed(0)]);
      assert.deepEqual(numbersOf((await behind.next()).value.records), [0]);
    });
  });
}

/** Follows until there are so many records. */
async function take(follower: AsyncIterator<Batch>, count: number): Promise<Recorded[]> {
  const records: Recorded[] = [];
  while (records.length < count) {
    const { value, done } = await follower.next();
    assert.equal(done, false);
    assert.notEqual(value.records.length, 0);
    assert.equal(value.last, value.records.at(-1)!.position);
    records.push(...value.records);
  }
  return records;
}
