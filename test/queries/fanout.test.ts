import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Recorded, type Event, type Json, type Position } from '../../src/event.js';
import { Fanout, Matched, type Member } from '../../src/queries/fanout.js';
import { compile } from '../../src/queries/filter.predicate.js';
import { parseFilter, type Filter } from '../../src/queries/filter.js';
import { positionsOf, range } from '../commands/sealed.js';
import { recorded } from '../projections/recorded.js';
import { filterArbitrary, recordsArbitrary } from './filter.arbitrary.js';

/** Keeps what it is given. */
class Keeper implements Member {
  readonly records: Recorded[] = [];
  readonly moves: number[] = [];
  deliveries = 0;
  /** What a delivery answers: whether it can take more. */
  takes: () => boolean = () => true;

  deliver({ records }: Matched): boolean {
    this.deliveries++;
    this.records.push(...records);
    return this.takes();
  }

  moved(position: Position): void {
    this.moves.push(position);
  }
}

function joined(fanout: Fanout, filter: Json): Keeper {
  const keeper = new Keeper();
  fanout.join(parseFilter(filter), keeper);
  return keeper;
}

/** An event that counts how often its payload is looked at. */
function watched(
  position: number,
  parts: Partial<Event> = {},
): { record: Recorded; looks: () => number } {
  const { event, bytes } = recorded(position, parts);
  const { payload } = event;
  let looks = 0;
  Object.defineProperty(event, 'payload', {
    get: () => {
      looks++;
      return payload;
    },
  });
  return { record: new Recorded(position as Position, bytes, event), looks: () => looks };
}

const ofUser = (userId: string): Partial<Event> => ({
  source: { ...recorded(0).event.source, userId },
});

describe('The fan-out', () => {
  let fanout: Fanout;

  beforeEach(() => {
    fanout = new Fanout();
  });

  it('gives each member what its filter lets through, all of a batch at once', () => {
    const all = joined(fanout, {});
    const some = joined(fanout, { 'payload.n': { gte: 2 } });
    const none = joined(fanout, { type: 'never' });
    fanout.publish(range(0, 4).map((n) => recorded(n, { payload: { n } })));
    assert.deepEqual(positionsOf(all.records), [0, 1, 2, 3]);
    assert.deepEqual(positionsOf(some.records), [2, 3]);
    assert.deepEqual([all.deliveries, some.deliveries, none.deliveries], [1, 1, 0]);
  });

  it('does exactly what the predicate says, whatever the filters and the events', () => {
    const filters = fc.array(filterArbitrary.map(parseFilter), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        filters,
        recordsArbitrary(12),
        fc.infiniteStream(fc.nat(99)),
        (all, records, dice) => {
          const roll = (): number => dice.next().value as number;
          const own = new Fanout();
          const members = new Map<
            Keeper,
            { filter: Filter; expected: Recorded[]; live: boolean }
          >();
          for (const begin of range(0, 4)) {
            for (const filter of all) {
              const keeper = new Keeper();
              own.join(filter, keeper);
              members.set(keeper, { filter, expected: [], live: true });
            }
            for (const [keeper, member] of members) {
              if (roll() < 20) {
                own.leave(member.filter, keeper);
                member.live = false;
              }
            }
            const batch = records.slice(3 * begin, 3 * begin + 3);
            own.publish(batch);
            for (const { filter, expected, live } of members.values()) {
              expected.push(...(live ? batch.filter(compile(filter)) : []));
            }
          }
          for (const [{ records: given }, { filter, expected }] of members) {
            assert.deepEqual(positionsOf(given), positionsOf(expected), filter.key);
          }
          assert.equal(own.size, [...members.values()].filter(({ live }) => live).length);
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });

  describe('evaluates', () => {
    it('equal filters once for an event, however many and however written', () => {
      const condition = { 'payload.n': { gte: 5 } };
      const spellings: Json[] = [condition, [condition], { $not: { $not: condition } }];
      const members = range(0, 99).map((n) => joined(fanout, spellings[n % 3]!));
      const { record, looks } = watched(1, { payload: { n: 7 } });
      fanout.publish([record]);
      assert.equal(looks(), 1);
      assert.ok(members.every(({ records }) => records[0] === record));
      joined(fanout, { 'payload.n': { gte: 6 } });
      const next = watched(2, { payload: { n: 7 } });
      fanout.publish([next.record]);
      assert.equal(next.looks(), 2);
    });

    it('filters that demand a value only for events that have it', () => {
      const users = range(0, 1000).map((n) =>
        joined(fanout, { 'source.userId': `u${n}`, 'payload.n': { gte: 0 } }),
      );
      const { record, looks } = watched(1, { ...ofUser('u5'), payload: { n: 1 } });
      fanout.publish([record]);
      assert.equal(looks(), 1);
      const strange = watched(2, ofUser('u1000'));
      fanout.publish([strange.record]);
      assert.equal(strange.looks(), 0);
      const served = users.flatMap(({ records }, n) => (records.length > 0 ? [n] : []));
      assert.deepEqual(served, [5]);
    });

    it('filters that demand one of several values only for events that have one', () => {
      const own = [
        { 'source.userId': 'u1' },
        { 'target.userId': 'u1' },
        { 'target.topic': 'news' },
      ];
      joined(fanout, { $and: [own, { 'payload.n': { gte: 0 } }] });
      const strange = watched(0, ofUser('u2'));
      const mine = [ofUser('u1'), { target: { userId: 'u1', topic: 'news' } }];
      const looked = mine.map((parts, n) => watched(n + 1, parts));
      fanout.publish([strange.record, ...looked.map(({ record }) => record)]);
      assert.deepEqual(
        [strange.looks(), ...looked.map(({ looks }) => looks() > 0)],
        [0, true, true],
      );
    });

    it('a filter under the value that divides best', () => {
      joined(fanout, { 'payload.tags': ['a', 'b', 'c'], type: 'x' });
      const { record, looks } = watched(1, { type: 'y', payload: { tags: ['a'] } });
      fanout.publish([record]);
      assert.equal(looks(), 0);
    });
  });

  it('gives an event once, even when two of its values are asked for', () => {
    const keeper = joined(fanout, { 'payload.tags': ['a', 'b', '3'] });
    const [first, second] = [
      recorded(0, { payload: { tags: ['a', 'b', 3, 'a'] } }),
      recorded(1, { payload: { tags: ['b', { x: 'a' }] } }),
    ];
    fanout.publish([first, second]);
    assert.deepEqual(keeper.records, [first, second]);
  });

  it('no longer knows of filters that nobody has', () => {
    const filters: Json[] = [{}, { type: ['a', 'b'] }, { type: 'a' }, { 'payload.n': { gte: 1 } }];
    const keepers = filters.map((filter) => joined(fanout, filter));
    for (const [index, filter] of filters.entries()) {
      fanout.leave(parseFilter(filter), keepers[index]!);
    }
    const { record, looks } = watched(0, { type: 'a', payload: { n: 1 } });
    fanout.publish([record]);
    assert.equal(looks(), 0);
    assert.ok(keepers.every(({ deliveries }) => deliveries === 0));
    const again = joined(fanout, { type: 'a' });
    fanout.publish([record]);
    assert.deepEqual(again.records, [record]);
  });

  describe('a member', () => {
    it('that can take no more has the batch, and has left', () => {
      const slow = joined(fanout, {});
      const other = joined(fanout, {});
      slow.takes = () => false;
      fanout.publish([recorded(0), recorded(1)]);
      fanout.publish([recorded(2)]);
      assert.deepEqual(positionsOf(slow.records), [0, 1]);
      assert.deepEqual(positionsOf(other.records), [0, 1, 2]);
      assert.equal(fanout.size, 1);
    });

    it('that leaves while others are served gets no more, and the others do', () => {
      const [first, second, third] = [1, 2, 3].map(() => joined(fanout, {})) as [
        Keeper,
        Keeper,
        Keeper,
      ];
      const elsewhere = joined(fanout, { type: 'test.recorded' });
      first.takes = () => {
        fanout.leave(parseFilter({}), first);
        fanout.leave(parseFilter({}), second);
        fanout.leave(parseFilter({ type: 'test.recorded' }), elsewhere);
        return true;
      };
      fanout.publish([recorded(0)]);
      const served = [first, second, third, elsewhere].map(({ deliveries }) => deliveries);
      assert.deepEqual(served, [1, 0, 1, 0]);
      assert.equal(fanout.size, 1);
    });

    it('leaves once', () => {
      const keeper = joined(fanout, {});
      joined(fanout, {});
      for (const filter of [{}, {}, { type: 'a' }]) {
        fanout.leave(parseFilter(filter), keeper);
      }
      assert.equal(fanout.size, 1);
    });
  });

  it('tells the members of a filter how far it is when nothing matched since it last did', () => {
    const [idle, busy] = [joined(fanout, { type: 'never' }), joined(fanout, {})];
    fanout.publish([recorded(3)]);
    fanout.tellIdle(3 as Position);
    assert.deepEqual([idle.moves, busy.moves], [[3], []]);
    fanout.tellIdle(3 as Position);
    assert.deepEqual([idle.moves, busy.moves], [[3, 3], [3]]);
    fanout.publish([recorded(4)]);
    fanout.tellIdle(4 as Position);
    assert.deepEqual([idle.moves, busy.moves], [[3, 3, 4], [3]]);
  });

  it('frames what matched once for all who want it alike', () => {
    const matched = new Matched([recorded(0), recorded(1)]);
    let framed = 0;
    const framing = (
      key: string,
    ): { key: string; frame(records: readonly Recorded[]): Buffer } => ({
      key,
      frame: (records) => {
        framed++;
        return Buffer.from(`${key}${records.length}`);
      },
    });
    const frames = ['a', 'b', 'a', 'b', 'a'].map((key) => matched.frame(framing(key)));
    assert.equal(framed, 2);
    assert.deepEqual(
      frames.map((frame) => frame.toString()),
      ['a2', 'b2', 'a2', 'b2', 'a2'],
    );
    assert.equal(frames[0], frames[2]);
  });
});
