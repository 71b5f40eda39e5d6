import assert from 'node:assert/strict';
import { BEFORE_FIRST, type Position } from '../../src/event.js';
import { parseFilter } from '../../src/queries/filter.js';
import { Subscription } from '../../src/queries/subscription.js';
import { sealed } from '../commands/sealed.js';
import { Gate, type BackEnds } from '../support/backends.js';
import { Reader } from './reader.js';
import { NEVER_MS, withStages, type Stage } from './stage.js';

describe('A subscription that is closed', () => {
  let backEnds: BackEnds;
  let stage: Stage;

  const stageOn = withStages((...opened) => {
    [stage, backEnds] = opened;
  });

  it('before it runs never reads', async () => {
    await stageOn({ read: () => assert.fail('it reads') });
    await stage.append(0, 3);
    const subscription = stage.subscribe(BEFORE_FIRST);
    await stage.closes(subscription, Promise.resolve());
    await subscription.run();
    assert.deepEqual(stage.reader.told, []);
  });

  it('while its subscriber takes no more delivers nothing more', async () => {
    await stage.append(0, 3);
    const gate = new Gate();
    stage.reader.ready = () => gate.pass();
    const subscription = stage.subscribe(BEFORE_FIRST);
    const running = subscription.run();
    await gate.reached;
    gate.open();
    await stage.closes(subscription, running);
  });

  for (const outcome of ['reads', 'fails'] as const) {
    it(`while the log ${outcome} delivers nothing more, and reports nothing`, async () => {
      const gate = new Gate();
      await stageOn({
        read: async (...args) => {
          await gate.pass();
          if (outcome === 'fails') {
            throw new Error('the log cannot be read');
          }
          return backEnds.log.read(...args);
        },
      });
      await stage.append(0, 3);
      const subscription = stage.subscribe(BEFORE_FIRST);
      const running = subscription.run();
      await gate.reached;
      gate.open();
      await stage.closes(subscription, running);
      assert.equal(subscription.position, BEFORE_FIRST);
    });
  }

  it('while it waits for its tail ends when that moves', async () => {
    const subscription = stage.subscribe(7);
    const running = subscription.run();
    subscription.close();
    await stage.append(0, 1);
    await stage.closes(subscription, running);
    assert.deepEqual(stage.reader.told, []);
  });

  it('in a pause of a replay, or in the midst of one, delivers nothing more', async () => {
    await backEnds.log.append(stage.workspace, [sealed(0, 0), sealed(1, NEVER_MS)]);
    await stage.tail.reach(1 as Position);
    const pausing = stage.subscribe(BEFORE_FIRST, { pace: 1 });
    const paused = pausing.run();
    await stage.received(1);
    await stage.closes(pausing, paused);

    stage.released = 0;
    stage.reader = new Reader();
    const gate = new Gate();
    let waits = 0;
    stage.reader.ready = async () => {
      waits++;
      await (waits === 3 ? gate.pass() : undefined);
    };
    const replaying = stage.subscribe(BEFORE_FIRST, { pace: 1e9 });
    const running = replaying.run();
    await gate.reached;
    gate.open();
    await stage.closes(replaying, running);
    assert.deepEqual(stage.reader.told, [0]);
  });

  it('by a delivery, or when told that it has caught up, delivers nothing more', async () => {
    await stage.append(0, 30);
    const subscription: Subscription = stage.subscribe(BEFORE_FIRST);
    stage.reader.takes = () => {
      subscription.close();
      return true;
    };
    await subscription.run();
    assert.ok(stage.reader.positions.length < 30);

    const own = new Reader();
    const atHead: Subscription = new Subscription(
      stage.tail,
      { filter: parseFilter({}), start: { position: 29 as Position } },
      own,
      NEVER_MS,
      () => undefined,
    );
    own.caughtUp = () => {
      atHead.close();
    };
    await atHead.run();
    assert.deepEqual([own.told, stage.tail.fanout.size], [[], 0]);
  });

  it('by its own live delivery stands after it', async () => {
    const subscription: Subscription = stage.subscribe(BEFORE_FIRST);
    const running = subscription.run();
    await stage.live();
    stage.reader.takes = () => {
      subscription.close();
      return false;
    };
    await stage.append(0, 3);
    await stage.closes(subscription, running);
    assert.equal(subscription.position, 2);
  });
});
