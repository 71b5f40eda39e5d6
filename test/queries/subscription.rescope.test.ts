import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseFilter } from '../../src/queries/filter.js';
import { range } from '../commands/sealed.js';
import { withStages, type Stage } from './stage.js';

/** Filters of the numbers of events, and which they let through. */
const KINDS = [
  { filter: parseFilter({}), wants: () => true },
  { filter: parseFilter({ $not: {} }), wants: () => false },
  { filter: parseFilter({ 'payload.number': { gte: 20 } }), wants: (n: number) => n >= 20 },
  { filter: parseFilter({ 'payload.number': { lt: 30 } }), wants: (n: number) => n < 30 },
];

const EARLIER = 25;

const steps = fc.array(
  fc.record({
    /** How many events come, and how often other things get their turn. */
    appends: fc.nat(4),
    turns: fc.nat(6),
    kind: fc.nat(KINDS.length - 1),
  }),
  { minLength: 1, maxLength: 12 },
);

describe('A subscription whose caller may read something else', function () {
  this.timeout(60_000);
  let stage: Stage;

  const stageOn = withStages((opened) => {
    stage = opened;
  });

  for (const [how, options] of [
    ['as fast as it goes', {}],
    ['in the original rhythm', { pace: 1e9 }],
  ] as const) {
    it(`gives what may be read then, from where it stands: ${how}`, async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (drawn) => {
          await stageOn({});
          await stage.append(0, EARLIER);
          const subscription = stage.subscribe(-1, options);
          const running = subscription.run();
          /** From which position on which kind counts. */
          const kinds: { after: number; kind: number }[] = [{ after: -1, kind: 0 }];
          let next = EARLIER;
          for (const { appends, turns, kind } of drawn) {
            for (let turn = 0; turn < turns; turn++) {
              await new Promise(setImmediate);
            }
            kinds.push({ after: subscription.position, kind });
            subscription.rescope(KINDS[kind]!.filter);
            if (appends > 0) {
              await stage.append(next, next + appends);
              next += appends;
            }
          }
          // Everything, so that it is known when all before has been judged.
          await stage.live();
          kinds.push({ after: subscription.position, kind: 0 });
          subscription.rescope(KINDS[0]!.filter);
          await stage.append(next, next + 1);
          const expected = range(0, next + 1).filter((n) => {
            const { kind } = kinds.findLast(({ after }) => after < n)!;
            return KINDS[kind]!.wants(n);
          });
          await stage.received(expected.length);
          assert.deepEqual(stage.reader.positions, expected);
          subscription.close();
          await running;
          assert.equal(stage.tail.fanout.size, 0);
        }),
        { numRuns: 60 },
      );
    });
  }

  it('costs nothing where it is the same', async () => {
    await stage.append(0, 3);
    const subscription = stage.subscribe(-1);
    const running = subscription.run();
    await stage.live();
    subscription.rescope(parseFilter({}));
    await stage.append(3, 4);
    await stage.received(4);
    await stage.closes(subscription, running);
    subscription.rescope(parseFilter({ type: 'a' }));
    assert.equal(stage.tail.fanout.size, 0);
  });
});
