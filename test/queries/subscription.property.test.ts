import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { seal } from '../../src/commands/fit.js';
import { BEFORE_FIRST, type Json, type Position, type Sealed } from '../../src/event.js';
import { parseFilter } from '../../src/queries/filter.js';
import { Subscription } from '../../src/queries/subscription.js';
import { Tails } from '../../src/queries/tails.js';
import { range, sealed, trimLog } from '../commands/sealed.js';
import { withBackEnds, type BackEnds } from '../support/backends.js';
import { until } from '../until.js';
import { historize } from './history.js';
import { Reader } from './reader.js';
import { NEVER_MS, Stage } from './stage.js';

/** Events in the log before anybody comes. */
const EARLIER = 40;

/** Filters, and the numbers of the events that they let through. */
const KINDS: { filter: Json; wants: (n: number) => boolean }[] = [
  { filter: {}, wants: () => true },
  { filter: { type: 't0' }, wants: (n) => n % 3 === 0 },
  { filter: { type: { ne: 't0' } }, wants: (n) => n % 3 !== 0 },
];

const subscriber = fc.record({
  after: fc.integer({ min: -1, max: EARLIER - 1 }),
  kind: fc.nat(KINDS.length - 1),
  /** How many appends have been made when it comes. */
  comes: fc.nat(10),
  pauses: fc.array(fc.constantFrom(0, 0, 0, 1, 3, 20), { minLength: 1, maxLength: 8 }),
});
const node = fc.record({
  ringBytesMax: fc.constantFrom(0, 3000, 1_000_000),
  readBytes: fc.constantFrom(1, 1000, 100_000),
  /** How far the history goes, and whether the log has forgotten that part. */
  historized: fc.integer({ min: -1, max: EARLIER - 1 }),
  trimmed: fc.boolean(),
});
const appends = fc.array(
  fc.record({
    count: fc.integer({ min: 1, max: 9 }),
    pause: fc.constantFrom(0, 1, 2, 'until it is durable' as const),
  }),
  { minLength: 11, maxLength: 30 },
);

type Drawn<A> = A extends fc.Arbitrary<infer T> ? T : never;

interface Opened {
  readonly wish: Drawn<typeof subscriber>;
  readonly reader: Reader;
  readonly subscription: Subscription;
  readonly running: Promise<void>;
}

function events(from: number, to: number): Sealed[] {
  return range(from, to).map((n) => {
    const { event } = sealed(n);
    return seal({ ...event, type: `t${n % 3}` }, JSON.stringify(event.source));
  });
}

/** Resolves after so many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** One that can take no more after some deliveries, for some turns. */
function slowReader(pauses: readonly number[]): Reader {
  const reader = new Reader();
  let deliveries = 0;
  let pause = 0;
  reader.takes = () => {
    pause = pauses[deliveries++ % pauses.length]!;
    return pause === 0;
  };
  reader.ready = async () => {
    await turns(pause);
    pause = 0;
  };
  return reader;
}

describe('Subscriptions', () => {
  let backEnds: BackEnds;

  /** What a test has opened, and would keep the process going if it failed. */
  const closing: { close(): void }[] = [];

  withBackEnds((opened) => {
    backEnds = opened;
  });

  afterEach(() => {
    closing.splice(0).forEach((each) => {
      each.close();
    });
  });

  it('miss nothing and repeat nothing, wherever they begin, however slow they are', async () => {
    await fc.assert(
      fc.asyncProperty(
        node,
        fc.array(subscriber, { minLength: 1, maxLength: 8 }),
        appends,
        async (...drawn) => {
          for (const { wish, reader, expected } of await play(...drawn)) {
            assert.deepEqual(reader.positions, expected, JSON.stringify(wish));
            assert.ok(
              reader.news.length <= 1 && reader.news.every(([what]) => what === 'caughtUp'),
            );
          }
        },
      ),
      { seed: 9, numRuns: 80, endOnFailure: true },
    );
  }).timeout(30_000);

  /** Runs subscribers beside an appender until all have met the head. */
  async function play(
    { historized, trimmed, ...sizes }: Drawn<typeof node>,
    wishes: readonly Drawn<typeof subscriber>[],
    drawn: Drawn<typeof appends>,
  ): Promise<{ wish: unknown; reader: Reader; expected: number[] }[]> {
    const workspace = `w-${randomUUID()}`;
    await backEnds.log.create(workspace, {});
    await backEnds.log.append(workspace, events(0, EARLIER));
    await historize(backEnds, workspace, historized);
    if (trimmed) {
      await trimLog(backEnds.log, workspace, historized + 1);
    }
    const tails = new Tails(backEnds, { ...sizes, positionSeconds: 3600 });
    closing.push(tails);
    const open = async (wish: Drawn<typeof subscriber>): Promise<Opened> => {
      const reader = slowReader(wish.pauses);
      const tail = await tails.acquire(workspace);
      const start = { position: wish.after as Position };
      const filter = parseFilter(KINDS[wish.kind]!.filter);
      const subscription = new Subscription(tail, { filter, start }, reader, NEVER_MS, () => {
        tails.release(tail);
      });
      return { wish, reader, subscription, running: subscription.run() };
    };
    const opened: Opened[] = [];
    let next = EARLIER;
    for (const [index, { count, pause }] of drawn.entries()) {
      for (const wish of wishes.filter(({ comes }) => comes === index)) {
        opened.push(await open(wish));
      }
      const appending = backEnds.log.append(workspace, events(next, next + count));
      next += count;
      await (pause === 'until it is durable' ? appending : turns(pause));
    }
    await until('all stand at the head', () =>
      opened.every(({ subscription }) => subscription.position === next - 1),
    );
    for (const { subscription, running } of opened) {
      subscription.close();
      await running;
    }
    tails.close();
    return opened.map(({ wish, reader }) => {
      const wanted = range(wish.after + 1, next).filter(KINDS[wish.kind]!.wants);
      return { wish, reader, expected: wanted };
    });
  }

  it('hold on to no event while their subscriber takes no more', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const alive: WeakRef<object>[] = [];
    const stage = await Stage.open(backEnds, {
      follow: async function* (...args) {
        for await (const batch of backEnds.log.follow(...args)) {
          alive.push(...batch.records.map((record) => new WeakRef(record)));
          yield batch;
        }
      },
    });
    closing.push(stage);
    stage.reader.takes = () => false;
    const subscription = stage.subscribe(BEFORE_FIRST);
    const running = subscription.run();
    await stage.live();
    let open: () => void = () => undefined;
    stage.reader.ready = () =>
      new Promise((resolve) => {
        open = resolve;
      });
    for (const n of range(0, 100)) {
      await stage.append(n, n + 1);
    }
    assert.equal(alive.length, 100);
    await until('they can be collected', () => {
      gc();
      // The log itself keeps the last for its followers.
      return alive.filter((each) => each.deref()).length <= 2;
    });
    assert.deepEqual(stage.reader.positions, [0]);
    stage.reader.takes = () => true;
    stage.reader.ready = () => Promise.resolve();
    open();
    await stage.received(100);
    await stage.closes(subscription, running);
  });
});
