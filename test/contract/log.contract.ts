import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import type { EventLog } from '../../src/commands/log.js';
import type { ServiceError } from '../../src/errors.js';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import {
  dropLog,
  numbered,
  numbersOf,
  positionsOf,
  range,
  readAll,
  sealed,
  sealedBytes,
  trimLog,
} from '../commands/sealed.js';
import { followContract } from './log.follow.contract.js';

const MIB = 1024 * 1024;

/** A log that is empty or not: a test makes workspaces of its own. */
export interface LogUnderTest {
  readonly log: EventLog;
  /** Closes the log, if that has not been done, and removes what is left. */
  readonly dispose: () => Promise<void>;
}

/** What every back end of the log promises. */
export function logContract(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`the ${name} log`, () => {
    let subject: LogUnderTest;
    let log: EventLog;
    let workspace: string;

    before(async () => {
      subject = await open();
      ({ log } = subject);
    });

    after(() => subject.dispose());

    beforeEach(async () => {
      workspace = `w-${randomUUID()}`;
      await log.create(workspace, {});
    });

    describe('append', () => {
      it('gives positions from 0, and consecutive ones within an append', async () => {
        assert.equal(await log.append(workspace, numbered(0, 3)), 0);
        const second = await log.append(workspace, numbered(3, 5));
        assert.ok(second >= 3);
        const records = await readAll(log, workspace);
        assert.deepEqual(numbersOf(records), range(0, 5));
        assert.deepEqual(positionsOf(records), [0, 1, 2, second, second + 1]);
      });

      it('orders appends as they were called, and keeps the records of one together', async () => {
        const positions = await Promise.all(
          range(0, 50).map((n) => log.append(workspace, numbered(3 * n, 3 * n + 3))),
        );
        assert.deepEqual(
          positions,
          positions.toSorted((a, b) => a - b),
        );
        const records = await readAll(log, workspace);
        assert.deepEqual(numbersOf(records), range(0, 150));
        assert.deepEqual(
          positionsOf(records),
          positions.flatMap((first) => range(first, first + 3)),
        );
      });

      it('takes an append that is larger than what is written or read at a time', async () => {
        const records = numbered(0, 12_000);
        await Promise.all([
          log.append(workspace, records),
          log.append(workspace, [sealed(12_000)]),
        ]);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), range(0, 12_001));
      });

      it('gives the bytes back as they are, JSON or not, however many', async () => {
        const given = [1, 0, 300, MIB, 2, MIB + 1, 70_000].map((length) => randomBytes(length));
        await log.append(workspace, given.map(sealedBytes));
        await log.append(workspace, [sealedBytes(given[3]!)]);
        const held = (await readAll(log, workspace)).map(({ bytes }) => Buffer.from(bytes));
        assert.deepEqual(held, [...given, given[3]]);
      });

      it('keeps workspaces apart', async () => {
        const others = range(0, 8).map((n) => `${workspace}-${n}`);
        await Promise.all(others.map((other) => log.create(other, {})));
        await Promise.all(
          range(0, 20).flatMap((round) =>
            others.map((other, n) => log.append(other, [sealed(100 * n + round)])),
          ),
        );
        for (const [n, other] of others.entries()) {
          assert.deepEqual(numbersOf(await readAll(log, other)), range(100 * n, 100 * n + 20));
        }
        assert.deepEqual(await readAll(log, workspace), []);
      });
    });

    describe('read', () => {
      it('begins after the position, wherever that is', async () => {
        await log.append(workspace, numbered(0, 5));
        await log.append(workspace, numbered(5, 6));
        const all = await readAll(log, workspace);
        for (const [index, { position }] of all.entries()) {
          const { records } = await log.read(workspace, position, MIB);
          assert.deepEqual(numbersOf(records), range(index + 1, 6));
        }
      });

      it('gives as many records as fit, and at least one', async () => {
        await log.append(
          workspace,
          range(0, 4).map(() => sealedBytes(randomBytes(1000))),
        );
        await log.append(
          workspace,
          range(0, 4).map(() => sealedBytes(randomBytes(1000))),
        );
        const count = async (limitBytes: number): Promise<number> =>
          (await log.read(workspace, BEFORE_FIRST, limitBytes)).records.length;
        assert.deepEqual(
          [await count(0), await count(999), await count(2999), await count(3000)],
          [1, 1, 2, 3],
        );
        assert.deepEqual([await count(5999), await count(8000)], [5, 8]);
      });

      it('gives nothing at the head, nor past it', async () => {
        assert.deepEqual((await log.read(workspace, BEFORE_FIRST, MIB)).records, []);
        const last = await log.append(workspace, [sealed(0)]);
        assert.deepEqual((await log.read(workspace, last, MIB)).records, []);
        assert.deepEqual((await log.read(workspace, (last + 7) as Position, MIB)).records, []);
      });

      it('begins with the oldest held where older ones are asked for, and tells it', async () => {
        for (const n of range(0, 10)) {
          await log.append(workspace, numbered(2 * n, 2 * n + 2));
        }
        const oldest = (await readAll(log, workspace))[5]!;
        await trimLog(log, workspace, oldest.position);
        const { records, first } = await log.read(workspace, 0 as Position, MIB);
        assert.equal(first, oldest.position);
        assert.deepEqual(numbersOf(records), range(5, 20));
        assert.equal((await log.bounds(workspace)).first, oldest.position);
      });

      it('gives nothing where nothing is held any more, and later what comes', async () => {
        await log.append(workspace, numbered(0, 3));
        const { next } = await log.bounds(workspace);
        await trimLog(log, workspace, next);
        assert.deepEqual(await log.read(workspace, BEFORE_FIRST, MIB), {
          records: [],
          first: next,
          last: next - 1,
        });
        assert.equal(await log.append(workspace, [sealed(3)]), next);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), [3]);
      });
    });

    followContract(() => ({ ...subject, workspace }));

    describe('bounds', () => {
      it('tell where the log begins and ends, and what the next append gets', async () => {
        const { epoch, first, next } = await log.bounds(workspace);
        assert.match(epoch, /^[0-9a-z]{8}$/);
        assert.deepEqual([first, next], [0, 0]);
        await log.append(workspace, numbered(0, 3));
        const bounds = await log.bounds(workspace);
        assert.deepEqual({ ...bounds, next: undefined }, { epoch, first: 0, next: undefined });
        assert.equal(await log.append(workspace, [sealed(3)]), bounds.next);
      });
    });

    describe('seek', () => {
      const seek = async (time: number): Promise<number[]> =>
        numbersOf((await log.read(workspace, await log.seek(workspace, time), MIB)).records);

      it('finds what was accepted at or after a time, between appends and within', async () => {
        for (const n of range(0, 20)) {
          // The last of one append and the first of the next were accepted at the same time.
          const times = [10 * n, 10 * n + 5, 10 * n + 10];
          await log.append(
            workspace,
            times.map((time, index) => sealed(3 * n + index, time)),
          );
        }
        assert.deepEqual(await seek(0), range(0, 60));
        for (const n of range(0, 20)) {
          assert.deepEqual(await seek(10 * n + 1), range(3 * n + 1, 60));
          assert.deepEqual(await seek(10 * n + 5), range(3 * n + 1, 60));
          assert.deepEqual(await seek(10 * n + 6), range(3 * n + 2, 60));
          assert.deepEqual(await seek(10 * n + 10), range(3 * n + 2, 60));
        }
        assert.deepEqual(await seek(201), []);
      });

      it('goes to the begin for a time before all, and to the head for one after all', async () => {
        assert.equal(await log.seek(workspace, 5), BEFORE_FIRST);
        await log.append(workspace, [sealed(0, 1000), sealed(1, 2000)]);
        const { next } = await log.bounds(workspace);
        assert.equal(await log.seek(workspace, 5), BEFORE_FIRST);
        assert.equal(await log.seek(workspace, 2001), next - 1);
      });

      it('finds nothing that is not held any more', async () => {
        for (const n of range(0, 6)) {
          await log.append(
            workspace,
            [0, 1, 2].map((index) => sealed(3 * n + index, 10 * n + index)),
          );
        }
        const { position: oldest } = (await readAll(log, workspace))[5]!;
        await trimLog(log, workspace, oldest);
        // One further back would be told that it has lost something.
        for (const time of [0, 11, 12]) {
          assert.equal(await log.seek(workspace, time), oldest - 1);
        }
        assert.deepEqual(await seek(13), range(6, 18));
      });
    });

    describe('newest', () => {
      it('leaves so many bytes behind it at least, and all where there are fewer', async () => {
        const held = async (): Promise<number[]> =>
          (await readAll(log, workspace)).map(({ bytes }) => bytes.byteLength);
        assert.equal(await log.newest(workspace, 1), 0);
        for (const n of range(0, 30)) {
          await log.append(
            workspace,
            range(0, 3).map(() => sealedBytes(randomBytes(100 * n + 1))),
          );
        }
        await trimLog(log, workspace, 10);
        const { first } = await log.bounds(workspace);
        const sizes = await held();
        const all = sum(sizes);
        for (const bytes of [1, 5000, all / 2, all - 1, all, all + 1]) {
          const begin = await log.newest(workspace, bytes);
          const left = sum(sizes.slice(begin - first));
          assert.ok(left >= bytes || begin === first, `${left} bytes after ${begin}`);
        }
      });
    });

    describe('trim', () => {
      it('forgets what is before a position, once, and tells how much that is', async () => {
        const { epoch } = await log.bounds(workspace);
        await log.append(workspace, numbered(0, 10));
        assert.equal(await log.trim(workspace, epoch, 4 as Position), 4);
        assert.equal(await log.trim(workspace, epoch, 4 as Position), 0);
        assert.equal(await log.trim(workspace, epoch, 1 as Position), 0);
        assert.equal(await log.trim(workspace, epoch, 6 as Position), 2);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), range(6, 10));
      });

      it('goes no further than the head, wherever it is told to', async () => {
        const { epoch } = await log.bounds(workspace);
        await log.append(workspace, numbered(0, 3));
        assert.equal(await log.trim(workspace, epoch, 99 as Position), 3);
        await log.append(workspace, [sealed(3)]);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), [3]);
      });

      it('forgets nothing of a workspace that was made again', async () => {
        const { epoch } = await log.bounds(workspace);
        await log.append(workspace, numbered(0, 3));
        await dropLog(log, workspace);
        await log.create(workspace, {});
        await log.append(workspace, numbered(0, 5));
        const late = log.trim(workspace, epoch, 3 as Position);
        await assert.rejects(late, { code: 'workspace-not-found' });
        assert.deepEqual(numbersOf(await readAll(log, workspace)), range(0, 5));
      });

      it('loses nothing of what is appended meanwhile', async () => {
        const { epoch } = await log.bounds(workspace);
        const appends = range(0, 50).map((n) => log.append(workspace, [sealed(n)]));
        const trims = range(0, 10).map((n) => log.trim(workspace, epoch, (2 * n) as Position));
        await Promise.all([...appends, ...trims]);
        const { first } = await log.bounds(workspace);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), range(first, 50));
      });
    });

    describe('retain', () => {
      it('lets nothing go that is to be kept', async () => {
        const { epoch } = await log.bounds(workspace);
        const now = Date.now();
        await log.append(
          workspace,
          range(0, 5).map((n) => sealed(n, now)),
        );
        for (const retention of [{ maxAgeMs: 3_600_000, maxBytes: MIB }, { maxBytes: MIB }, {}]) {
          await log.retain(workspace, epoch, retention);
          assert.deepEqual(numbersOf(await readAll(log, workspace)), range(0, 5));
        }
      });

      it('does not change a workspace that was made again', async () => {
        const { epoch } = await log.bounds(workspace);
        await dropLog(log, workspace);
        await log.create(workspace, {});
        await assert.rejects(log.retain(workspace, epoch, { maxAgeMs: 1 }), {
          code: 'workspace-not-found',
        });
      });
    });

    describe('a workspace', () => {
      it('is made once: a second create changes nothing', async () => {
        await log.append(workspace, numbered(0, 2));
        const bounds = await log.bounds(workspace);
        assert.deepEqual(await log.create(workspace, { maxAgeMs: 1 }), bounds);
        const made = await Promise.all(range(0, 5).map(() => log.create(`${workspace}-2`, {})));
        assert.equal(new Set(made.map(({ epoch }) => epoch)).size, 1);
      });

      it('that is dropped and made again is empty, in another epoch', async () => {
        await log.append(workspace, numbered(0, 2));
        const { epoch } = await log.bounds(workspace);
        await log.drop(workspace, epoch);
        await log.drop(workspace, epoch);
        const again = await log.create(workspace, {});
        assert.notEqual(again.epoch, epoch);
        assert.deepEqual([again.first, again.next], [0, 0]);
        assert.deepEqual(await readAll(log, workspace), []);
        assert.equal(await log.append(workspace, [sealed(9)]), 0);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), [9]);
      });

      it('that was made again is not hit by a late drop of the one before', async () => {
        const { epoch } = await log.bounds(workspace);
        await log.drop(workspace, epoch);
        const again = await log.create(workspace, {});
        await log.append(workspace, [sealed(0)]);
        await log.drop(workspace, epoch);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), [0]);
        assert.equal((await log.bounds(workspace)).epoch, again.epoch);
      });

      it('that is dropped keeps nothing of what is appended meanwhile', async () => {
        await log.create(`${workspace}-2`, {});
        const append = (to: string): Promise<string> =>
          log.append(to, [sealed(0)]).then(
            () => 'appended',
            (error: unknown) => (error as ServiceError).code,
          );
        const { epoch } = await log.bounds(workspace);
        const drop = log.drop(workspace, epoch);
        const racing = await Promise.all(range(0, 9).map(() => append(workspace)));
        const others = await Promise.all(range(0, 9).map(() => append(`${workspace}-2`)));
        await drop;
        assert.deepEqual(new Set([...racing, 'appended', 'workspace-not-found']).size, 2);
        assert.deepEqual(new Set(others), new Set(['appended']));
        await log.create(workspace, {});
        assert.deepEqual(await readAll(log, workspace), []);
      });

      it('that is dropped while it is being trimmed is gone', async () => {
        await log.append(workspace, numbered(0, 100));
        const { epoch } = await log.bounds(workspace);
        const trimming = log.trim(workspace, epoch, 50 as Position).catch((error: unknown) => {
          assert.equal((error as ServiceError).code, 'workspace-not-found');
        });
        await Promise.all([trimming, log.drop(workspace, epoch)]);
        await log.create(workspace, {});
        assert.equal(await log.append(workspace, [sealed(0)]), 0);
        assert.deepEqual(numbersOf(await readAll(log, workspace)), [0]);
      });

      it('that does not exist is not found, by no method', async () => {
        await dropLog(log, workspace);
        await everyCallFails(log, workspace, 'workspace-not-found');
      });
    });

    it('that closes lets running appends end, and is unavailable then', async () => {
      const own = await open();
      await own.log.create('w', {});
      // By then all of it runs, so that it could close at once.
      for (const n of range(0, 300)) {
        await own.log.append('w', [sealed(n)]);
      }
      const large = [sealedBytes(randomBytes(2 * MIB))];
      const appends = range(0, 8).map(() => own.log.append('w', large));
      const [positions] = await Promise.all([Promise.all(appends), own.log.close()]);
      assert.equal(positions.length, 8);
      await everyCallFails(own.log, 'w', 'unavailable');
      await assert.rejects(own.log.create('w', {}), { code: 'unavailable' });
      await own.dispose();
    });
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function everyCallFails(log: EventLog, workspace: string, code: string): Promise<void> {
  const { signal } = new AbortController();
  const follow = log.follow(workspace, 'abcdefgh', BEFORE_FIRST, signal)[Symbol.asyncIterator]();
  await Promise.all([
    assert.rejects(log.append(workspace, [sealed(0)]), { code }),
    assert.rejects(log.read(workspace, BEFORE_FIRST, MIB), { code }),
    assert.rejects(follow.next(), { code }),
    assert.rejects(log.bounds(workspace), { code }),
    assert.rejects(log.seek(workspace, 0), { code }),
    assert.rejects(log.newest(workspace, 1), { code }),
    assert.rejects(log.retain(workspace, 'abcdefgh', {}), { code }),
    assert.rejects(log.trim(workspace, 'abcdefgh', 1 as Position), { code }),
  ]);
}
