import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import type { EventLog } from '../../src/commands/log.js';
import type { Position } from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { Tails } from '../../src/queries/tails.js';
import { dropLog, numbered, positionsOf, range } from '../commands/sealed.js';
import { Gate, withMethods, withBackEnds, type BackEnds } from '../support/backends.js';

const CONFIG = { ringBytesMax: 1_000_000, readBytes: 2000, positionSeconds: 3600 };
const LINGER_MS = 30_000;

describe('The tails of a node', () => {
  let backEnds: BackEnds;
  let tails: Tails;
  let workspace: string;
  let follows: number;
  let bounds: EventLog['bounds'];

  withBackEnds((opened) => {
    backEnds = opened;
  });

  beforeEach(async () => {
    workspace = `w-${randomUUID()}`;
    follows = 0;
    bounds = (of) => backEnds.log.bounds(of);
    const log = withMethods<EventLog>(backEnds.log, {
      bounds: (of) => bounds(of),
      follow: (...args) => {
        follows++;
        return backEnds.log.follow(...args);
      },
    });
    tails = new Tails({ ...backEnds, log }, CONFIG);
    await backEnds.log.create(workspace, {});
  });

  afterEach(() => {
    tails.close();
  });

  const counted = async (): Promise<number> => (await metrics.tails.get()).values[0]!.value;

  it('are one for all who ask for a workspace, at once or later, and at its head', async () => {
    await backEnds.log.append(workspace, numbered(0, 5));
    const before = await counted();
    const acquired = await Promise.all(range(0, 5).map(() => tails.acquire(workspace)));
    acquired.push(await tails.acquire(workspace));
    assert.equal(new Set(acquired).size, 1);
    assert.equal(acquired[0]!.head, 4);
    assert.deepEqual(tails.running(), [acquired[0]]);
    assert.equal(follows, 1);
    assert.equal(await counted(), before + 1);
  });

  it('are not there where the workspace is not, and are when it is', async () => {
    await dropLog(backEnds.log, workspace);
    const before = await counted();
    const missing = { code: 'workspace-not-found' };
    await Promise.all(range(0, 3).map(() => assert.rejects(tails.acquire(workspace), missing)));
    assert.deepEqual(tails.running(), []);
    assert.equal(await counted(), before);
    await backEnds.log.create(workspace, {});
    assert.equal((await tails.acquire(workspace)).workspace, workspace);
  });

  it('fail for those who wait for their start, when the workspace goes meanwhile', async () => {
    await backEnds.log.append(workspace, numbered(0, 5));
    const gate = new Gate();
    bounds = async (of) => {
      const found = await backEnds.log.bounds(of);
      await gate.pass();
      return found;
    };
    const acquiring = tails.acquire(workspace);
    await gate.reached;
    await dropLog(backEnds.log, workspace);
    gate.open();
    await assert.rejects(acquiring, { code: 'workspace-not-found' });
    assert.deepEqual(tails.running(), []);
  });

  it('share the memory that there is for recent events', async () => {
    const config = { ...CONFIG, ringBytesMax: 4000 };
    tails = new Tails(backEnds, config);
    const tail = await tails.acquire(workspace);
    /** How many of the latest events are at hand. */
    const held = async (): Promise<number> => {
      const { records } = await tail.after((tail.head - 5) as Position);
      return records.length;
    };
    const append = async (from: number): Promise<void> => {
      for (const n of range(from, from + 8)) {
        await backEnds.log.append(workspace, numbered(n, n + 1));
        await tail.reach(n as Position);
      }
    };
    await append(0);
    assert.equal(await held(), 1, 'batches of one, from the ring');
    const others = range(0, 7).map((n) => `${workspace}-${n}`);
    for (const other of others) {
      await backEnds.log.create(other, {});
      await tails.acquire(other);
    }
    await append(8);
    assert.equal(await held(), 5, 'all of them, from the log');
  });

  it('end with their workspace, and another one begins with the next', async () => {
    const tail = await tails.acquire(workspace);
    await backEnds.log.append(workspace, numbered(0, 3));
    await dropLog(backEnds.log, workspace);
    await assert.rejects(tail.reach(99 as Position), { code: 'workspace-not-found' });
    assert.deepEqual(tails.running(), []);
    await backEnds.log.create(workspace, {});
    const next = await tails.acquire(workspace);
    assert.notEqual(next, tail);
    assert.notEqual(next.epoch, tail.epoch);
    tails.release(tail);
    tails.release(next);
    assert.deepEqual(tails.running(), [next]);
  });

  describe('without subscribers', () => {
    beforeEach(() => {
      mock.timers.enable({ apis: ['setTimeout'] });
    });

    afterEach(() => {
      mock.timers.reset();
    });

    it('go on for a while, as those who leave come back', async () => {
      const tail = await tails.acquire(workspace);
      await tails.acquire(workspace);
      tails.release(tail);
      mock.timers.tick(2 * LINGER_MS);
      assert.deepEqual(tails.running(), [tail]);
      tails.release(tail);
      mock.timers.tick(LINGER_MS - 1);
      assert.equal(await tails.acquire(workspace), tail);
      mock.timers.tick(2 * LINGER_MS);
      assert.deepEqual(tails.running(), [tail]);
    });

    it('end when that while is over, counted from the last who left', async () => {
      const tail = await tails.acquire(workspace);
      tails.release(tail);
      mock.timers.tick(LINGER_MS - 1);
      tails.release(await tails.acquire(workspace));
      mock.timers.tick(LINGER_MS - 1);
      assert.deepEqual(tails.running(), [tail]);
      mock.timers.tick(1);
      assert.deepEqual(tails.running(), []);
      await backEnds.log.append(workspace, numbered(0, 1));
      assert.equal(tail.head, -1);
      const next = await tails.acquire(workspace);
      assert.notEqual(next, tail);
      assert.deepEqual(positionsOf((await next.after(-1 as Position)).records), [0]);
    });
  });

  it('are all ended when the node is', async () => {
    const before = await counted();
    await tails.acquire(workspace);
    await backEnds.log.create(`${workspace}-2`, {});
    await tails.acquire(`${workspace}-2`);
    assert.equal(await counted(), before + 2);
    tails.close();
    assert.deepEqual(tails.running(), []);
    assert.equal(await counted(), before);
  });
});
