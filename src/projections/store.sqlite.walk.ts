/** How the matches of one workspace are gone through, a little at a time. */
import type { Database, Statement } from 'better-sqlite3';
import { Recorded, type Position } from '../event.js';
import type { Plan } from '../queries/filter.sqlite.js';
import { Candidates, type Order } from './store.sqlite.candidates.js';
import { keyOf, positionOf, positionsMax } from './store.sqlite.file.js';

/**
 * So much is looked at in any slice, whatever the clock says: where other processes want the
 * processor as well, a slice may be over before it has begun, and would leave nothing but the cost
 * of finding the place again.
 */
const sliceBytesMin = 64 * 1_024;

/** What a row costs beside its bytes, in those. */
const rowBytes = 256;

/** What is to be found where. */
export interface Course {
  /** The number of the workspace in the file. */
  readonly workspace: number;
  readonly plan: Plan;
  readonly matches: (record: Recorded) => boolean;
  /** Up to and with this position. */
  readonly last: number;
  readonly order: Order;
}

/** Takes a match; false: that is enough. */
export type Take = (record: Recorded, time: number) => boolean;

/**
 * A way through the matches. No statement stays open between two slices: it would hold on to its
 * snapshot, the WAL could not be cut, and a search that overlaps with others without end would
 * never see what was written since.
 */
export interface Walk {
  /** Looks on until a time (`performance.now()`). False: it is over, or was told that it is. */
  slice(end: number, take: Take): boolean;
}

/**
 * So many candidates are sorted by time rather than looked up in the order of time: with more of
 * them, one of a few hundred events is a match, and the latest are soon found.
 */
const sortedMax = 10_000;

interface TimedRow {
  readonly key: number;
  readonly time: number;
}

interface ByteRow {
  readonly key: number;
  readonly bytes: Buffer;
}

/** Makes walks over a file. */
export class Walks {
  readonly #bytes: Candidates<ByteRow>;
  readonly #times: Candidates<TimedRow>;
  readonly #byTime: Readonly<Record<Order, Statement<unknown[], TimedRow & ByteRow>>>;
  readonly #bytesOf: Statement<[number], Buffer>;

  constructor(db: Database) {
    this.#bytes = new Candidates(db, 'bytes');
    this.#times = new Candidates(db, 'time');
    const byTime = (beyond: string, direction: string): Statement<unknown[], TimedRow & ByteRow> =>
      db.prepare(
        `SELECT key, time, bytes FROM events
         WHERE workspace = ? AND (time, key) ${beyond} (?, ?) AND key <= ?
         ORDER BY time ${direction}, key ${direction}`,
      );
    this.#byTime = { newest: byTime('<', 'DESC'), oldest: byTime('>', 'ASC') };
    this.#bytesOf = db.prepare<[number], Buffer>('SELECT bytes FROM events WHERE key = ?').pluck();
  }

  /** By position, from behind one. */
  byPosition(course: Course, after?: number): Walk {
    return new PositionWalk(this.#bytes, course, after);
  }

  /** By time and position, from behind a pair of them. */
  byTime(course: Course, after?: readonly [time: number, position: number]): Walk {
    const inOrder = new TimeWalk(this.#byTime[course.order], course, after);
    return course.plan.match === undefined && !course.plan.ids
      ? inOrder
      : new SortingWalk(this.#times, this.#bytesOf, course, inOrder, after);
  }
}

/** Tells when a slice is over. */
class Slice {
  readonly #end: number;
  #bytes = 0;

  /** @param end By the clock (`performance.now()`). */
  constructor(end: number) {
    this.#end = end;
  }

  /** Whether it is over after one more row, with so many bytes. */
  isOver(bytes = 0): boolean {
    this.#bytes += bytes + rowBytes;
    return this.#bytes >= sliceBytesMin && performance.now() >= this.#end;
  }
}

class PositionWalk implements Walk {
  readonly #candidates: Candidates<ByteRow>;
  readonly #course: Course;
  /** What is left to look at. */
  #first: number;
  #last: number;

  constructor(candidates: Candidates<ByteRow>, course: Course, after?: number) {
    this.#candidates = candidates;
    this.#course = course;
    const { plan, last, order } = course;
    this.#first = Math.max(plan.first, order === 'oldest' ? (after ?? -1) + 1 : 0);
    const end = order === 'newest' ? (after ?? Infinity) - 1 : Infinity;
    this.#last = Math.min(plan.last, last, end, positionsMax - 1);
  }

  slice(end: number, take: Take): boolean {
    const { workspace, plan, matches, order } = this.#course;
    const slice = new Slice(end);
    while (performance.now() < end) {
      const stretch = this.#candidates.next(workspace, plan, this.#first, this.#last, order);
      if (!stretch) {
        return false;
      }
      for (const { key, bytes } of stretch.rows) {
        const record = new Recorded(positionOf(key) as Position, bytes);
        if (matches(record) && !take(record, 0)) {
          return false;
        }
        if (slice.isOver(bytes.byteLength)) {
          this.#passed(record.position);
          return true;
        }
      }
      this.#passed(stretch.end);
    }
    return true;
  }

  #passed(position: number): void {
    if (this.#course.order === 'newest') {
      this.#last = position - 1;
    } else {
      this.#first = position + 1;
    }
  }
}

/** All events in the order of time. */
class TimeWalk implements Walk {
  readonly #statement: Statement<unknown[], TimedRow & ByteRow>;
  readonly #course: Course;
  #after: readonly [time: number, key: number];

  constructor(
    statement: Statement<unknown[], TimedRow & ByteRow>,
    course: Course,
    after?: readonly [time: number, position: number],
  ) {
    this.#statement = statement;
    this.#course = course;
    const beyond = course.order === 'newest' ? Infinity : -Infinity;
    const [time, position] = after ?? [beyond, beyond];
    this.#after = [time, keyOf(course.workspace, position)];
  }

  slice(end: number, take: Take): boolean {
    const { workspace, matches, last } = this.#course;
    const slice = new Slice(end);
    const lastKey = keyOf(workspace, Math.min(last, positionsMax - 1));
    for (const { key, time, bytes } of this.#statement.iterate(
      workspace,
      ...this.#after,
      lastKey,
    )) {
      const record = new Recorded(positionOf(key) as Position, bytes);
      if (matches(record) && !take(record, time)) {
        return false;
      }
      if (slice.isOver(bytes.byteLength)) {
        this.#after = [time, key];
        return true;
      }
    }
    return false;
  }
}

/** The candidates of the index, sorted by time; if they are many, all events in that order. */
class SortingWalk implements Walk {
  readonly #candidates: Candidates<TimedRow>;
  readonly #bytesOf: Statement<[number], Buffer>;
  readonly #course: Course;
  readonly #inOrder: Walk;
  readonly #isBehind: (row: TimedRow) => boolean;
  #gathered: TimedRow[] = [];
  /** Positions that are still to be gathered from. */
  #last: number;
  #next: number | undefined;
  #many = false;

  constructor(
    candidates: Candidates<TimedRow>,
    bytesOf: Statement<[number], Buffer>,
    course: Course,
    inOrder: Walk,
    after?: readonly [time: number, position: number],
  ) {
    this.#candidates = candidates;
    this.#bytesOf = bytesOf;
    this.#course = course;
    this.#inOrder = inOrder;
    this.#last = Math.min(course.plan.last, course.last, positionsMax - 1);
    const [time, position] = after ?? [0, 0];
    const place = { time, key: keyOf(course.workspace, position) };
    this.#isBehind = after ? (row) => this.#compare(place, row) < 0 : () => true;
  }

  slice(end: number, take: Take): boolean {
    if (this.#next === undefined && !this.#many) {
      this.#gather(end);
    }
    if (this.#many) {
      return this.#inOrder.slice(end, take);
    }
    return this.#next === undefined || this.#goThrough(this.#next, end, take);
  }

  #gather(end: number): void {
    const { workspace, plan } = this.#course;
    const slice = new Slice(end);
    while (performance.now() < end) {
      const stretch = this.#candidates.next(workspace, plan, plan.first, this.#last, 'newest');
      if (!stretch) {
        this.#gathered.sort((a, b) => this.#compare(a, b));
        this.#next = 0;
        return;
      }
      for (const row of stretch.rows) {
        if (this.#isBehind(row)) {
          this.#gathered.push(row);
        }
        this.#last = positionOf(row.key) - 1;
        if (this.#gathered.length > sortedMax) {
          this.#many = true;
          this.#gathered = [];
          return;
        }
        if (slice.isOver()) {
          return;
        }
      }
      this.#last = stretch.end - 1;
    }
  }

  #goThrough(from: number, end: number, take: Take): boolean {
    const slice = new Slice(end);
    for (let at = from; at < this.#gathered.length; at++) {
      const { key, time } = this.#gathered[at]!;
      // It may have been trimmed since.
      const bytes = this.#bytesOf.get(key);
      const record = bytes && new Recorded(positionOf(key) as Position, bytes);
      if (record && this.#course.matches(record) && !take(record, time)) {
        return false;
      }
      if (slice.isOver(bytes?.byteLength)) {
        this.#next = at + 1;
        return true;
      }
    }
    return false;
  }

  /** Below 0 where `a` comes first. */
  #compare(a: TimedRow, b: TimedRow): number {
    const oldest = a.time - b.time || a.key - b.key;
    return this.#course.order === 'newest' ? -oldest : oldest;
  }
}
