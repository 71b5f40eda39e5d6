import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { metrics } from '../../src/metrics.js';
import { dropLog, range, sealed, trimLog } from '../commands/sealed.js';
import { Gate, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';
import { historize } from './history.js';
import { Reader } from './reader.js';
import { NEVER_MS, withStages, type Stage } from './stage.js';

describe('A subscription', () => {
  let backEnds: BackEnds;
  let stage: Stage;

  const stageOn = withStages((...opened) => {
    [stage, backEnds] = opened;
  });

  it('delivers what there is, says that it has caught up, then delivers what comes', async () => {
    await stage.append(0, 30);
    const subscription = stage.subscribe(9);
    const running = subscription.run();
    await stage.live();
    await stage.append(30, 33);
    assert.deepEqual(stage.reader.told, [...range(10, 30), ['caughtUp', 29], 30, 31, 32]);
    assert.equal(subscription.position, 32);
    await stage.closes(subscription, running);
    assert.equal(subscription.position, 32);
  });

  it('is live at once at the head', async () => {
    const subscription = stage.subscribe(BEFORE_FIRST);
    const running = subscription.run();
    await stage.live();
    assert.deepEqual(stage.reader.told, [['caughtUp', BEFORE_FIRST]]);
    await stage.closes(subscription, running);
  });

  it('delivers what its filter lets through, read or live', async () => {
    await stage.append(0, 20);
    const filter = { 'payload.number': ['3', '17', '21'] };
    const subscription = stage.subscribe(BEFORE_FIRST, { filter });
    const running = subscription.run();
    await stage.live();
    await stage.append(20, 23);
    assert.deepEqual(stage.reader.positions, [3, 17, 21]);
    assert.equal(subscription.position, 22);
    await stage.closes(subscription, running);
  });

  it('waits where its cursor has seen more of the log than its tail', async () => {
    const subscription = stage.subscribe(2);
    const running = subscription.run();
    await stage.append(0, 2);
    await stage.append(2, 3);
    await stage.live();
    await stage.append(3, 5);
    assert.deepEqual(stage.reader.told, [['caughtUp', 2], 3, 4]);
    await stage.closes(subscription, running);
  });

  it('tells how far it is when nothing has matched for a while, read or live', async () => {
    await stage.append(0, 30);
    const subscription = stage.subscribe(BEFORE_FIRST, { filter: { type: 'never' } }, -1);
    const running = subscription.run();
    await stage.live();
    const read = stage.reader.told.filter(
      (told) => typeof told !== 'number' && told[0] === 'moved',
    );
    assert.ok(read.length > 3 && stage.reader.positions.length === 0);
    stage.tail.fanout.tellIdle(29 as Position);
    assert.deepEqual(stage.reader.told.slice(-2), [
      ['caughtUp', 29],
      ['moved', 29],
    ]);
    await stage.closes(subscription, running);
  });

  it('says where events are lost, in the midst of what it delivers', async () => {
    await stage.append(0, 30);
    await historize(backEnds, stage.workspace, 9);
    await trimLog(backEnds.log, stage.workspace, 20);
    const subscription = stage.subscribe(4);
    const running = subscription.run();
    await stage.received(15);
    const lost = ['lost', 'expired', 20];
    assert.deepEqual(stage.reader.told, [
      ...range(5, 10),
      lost,
      ...range(20, 30),
      ['caughtUp', 29],
    ]);
    await stage.closes(subscription, running);
  });

  it('goes on where neither log nor history hold anything', async () => {
    await stage.append(0, 30);
    await trimLog(backEnds.log, stage.workspace, 30);
    const subscription = stage.subscribe(4);
    const running = subscription.run();
    await stage.live();
    await stage.append(30, 31);
    assert.deepEqual(stage.reader.told, [['lost', 'expired', 30], ['caughtUp', 29], 30]);
    await stage.closes(subscription, running);
  });

  describe('with an end', () => {
    it('ends after it, whatever came meanwhile', async () => {
      await stage.append(0, 30);
      const subscription = stage.subscribe(4, { until: 24 as Position });
      await subscription.run();
      assert.deepEqual(stage.reader.told, [...range(5, 25), ['ended', undefined]]);
      await stage.closes(subscription, Promise.resolve());
    });

    it('ends at once where it stands there, and waits where it is still to come', async () => {
      await stage.subscribe(BEFORE_FIRST, { until: BEFORE_FIRST }).run();
      assert.deepEqual(stage.reader.told, [['ended', undefined]]);
      stage.reader = new Reader();
      const running = stage.subscribe(BEFORE_FIRST, { until: 3 as Position }).run();
      await stage.append(0, 2);
      await stage.append(2, 5);
      await running;
      assert.deepEqual(stage.reader.told, [0, 1, 2, 3, ['ended', undefined]]);
    });
  });

  describe('of a slow subscriber', () => {
    it('falls back to reading, and joins the others when it has caught up', async () => {
      const slowed = async (): Promise<number> =>
        (await metrics.slowSubscribers.get()).values[0]!.value;
      const before = await slowed();
      const subscription = stage.subscribe(BEFORE_FIRST);
      const running = subscription.run();
      await stage.live();
      const gate = new Gate();
      stage.reader.takes = () => false;
      stage.reader.ready = () => gate.pass();
      await stage.append(0, 2);
      assert.equal(stage.tail.fanout.size, 0);
      assert.equal(subscription.position, 1);
      await stage.append(2, 30);
      assert.deepEqual(stage.reader.positions, [0, 1]);
      stage.reader.takes = () => true;
      gate.open();
      await stage.live();
      await stage.append(30, 31);
      assert.deepEqual(stage.reader.positions, range(0, 31));
      assert.deepEqual(stage.reader.news, [['caughtUp', BEFORE_FIRST]]);
      assert.equal(await slowed(), before + 1);
      await stage.closes(subscription, running);
    });

    it('reads no further than it is taken', async () => {
      let reads = 0;
      await stageOn({
        read: (...args) => {
          reads++;
          return backEnds.log.read(...args);
        },
      });
      await stage.append(0, 30);
      let gate = new Gate();
      stage.reader.ready = () => gate.pass();
      const subscription = stage.subscribe(BEFORE_FIRST);
      const running = subscription.run();
      for (const read of range(0, 4)) {
        const current = gate;
        await current.reached;
        assert.equal(reads, read);
        gate = new Gate();
        current.open();
        await gate.reached;
      }
      stage.reader.ready = () => Promise.resolve();
      gate.open();
      await stage.received(30);
      assert.deepEqual(stage.reader.positions, range(0, 30));
      await stage.closes(subscription, running);
    });
  });

  describe('in the original rhythm', () => {
    it('takes as long as it took, or so many times less', async () => {
      const times = [0, 40, 80].map((ms) => Date.parse('2001-01-15T00:00:00Z') + ms);
      await backEnds.log.append(
        stage.workspace,
        times.map((time, number) => sealed(number, time)),
      );
      await stage.tail.reach(2 as Position);
      for (const pace of [1, 2]) {
        stage.reader = new Reader();
        const begin = performance.now();
        await stage.subscribe(BEFORE_FIRST, { pace, until: 2 as Position }).run();
        assert.ok(performance.now() - begin >= 80 / pace - 0.1);
        assert.deepEqual(stage.reader.told, [0, 1, 2, ['ended', undefined]]);
      }
    });

    it('stands after the last event delivered, between two of them', async () => {
      await backEnds.log.append(stage.workspace, [sealed(0, 0), sealed(1, 0), sealed(2, NEVER_MS)]);
      const subscription = stage.subscribe(BEFORE_FIRST, { pace: 1 });
      const running = subscription.run();
      await stage.received(2);
      assert.equal(subscription.position, 1);
      await stage.closes(subscription, running);
      assert.equal(subscription.position, 1);
    });

    it('waits for a slow subscriber between two events, and goes on live at the head', async () => {
      await stage.append(0, 5);
      let waits = 0;
      stage.reader.takes = () => false;
      stage.reader.ready = async () => {
        waits++;
      };
      const subscription = stage.subscribe(BEFORE_FIRST, { pace: 1000 });
      const running = subscription.run();
      await stage.live();
      assert.deepEqual(stage.reader.told, [...range(0, 5), ['caughtUp', 4]]);
      assert.ok(waits >= 5);
      await stage.closes(subscription, running);
    });
  });

  it('fails with what the log fails with, for its caller to close it', async () => {
    let failures = 1;
    await stageOn({
      read: (...args) =>
        failures-- > 0
          ? Promise.reject(new Error('the log cannot be read'))
          : backEnds.log.read(...args),
    });
    await stage.append(0, 3);
    const subscription = stage.subscribe(BEFORE_FIRST);
    await assert.rejects(subscription.run(), /cannot be read/);
    assert.deepEqual([stage.reader.told, stage.released], [[], 0]);
    await stage.closes(subscription, Promise.resolve());
  });

  it('ends with its workspace, wherever it is', async () => {
    const gate = new Gate();
    await stageOn({
      read: async (...args) => {
        await gate.pass();
        return backEnds.log.read(...args);
      },
    });
    await stage.append(0, 3);
    const [live, reading] = [stage.reader, new Reader()];
    const running = [stage.subscribe(2).run()];
    stage.reader = reading;
    running.push(stage.subscribe(BEFORE_FIRST).run());
    await gate.reached;
    await dropLog(backEnds.log, stage.workspace);
    await until('both are told', () => live.isOver && reading.isOver);
    gate.open();
    await Promise.all(running);
    const ended = ['ended', 'workspace-not-found'];
    assert.deepEqual(live.told, [['caughtUp', 2], ended]);
    assert.deepEqual(reading.told, [ended]);
    assert.equal(stage.released, 2);
    stage.reader = new Reader();
    const late = stage.subscribe(BEFORE_FIRST);
    await late.run();
    assert.deepEqual([stage.reader.told, stage.released], [[ended], 3]);
  });
});
