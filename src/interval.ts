import { DateTime } from 'luxon';

/** A day, week (from Monday), month, quarter or year of a time zone, or a length in UTC. */
export type Interval =
  | { readonly unit: 'day' | 'week' | 'month' | 'quarter' | 'year'; readonly timeZone: string }
  /** Counted from 1970-01-01T00:00Z. */
  | { readonly lengthMs: number };

/**
 * Gives the first instant of the interval that an instant is in; both in epoch milliseconds. A
 * calendar is looked up once for each interval that is met, which is what costs.
 */
export function startOf(interval: Interval): (time: number) => number {
  if ('lengthMs' in interval) {
    const { lengthMs } = interval;
    return (time) => Math.floor(time / lengthMs) * lengthMs;
  }
  const { unit, timeZone } = interval;
  const known = new KnownIntervals();
  return (time) => {
    const start = known.startOf(time);
    if (start !== undefined) {
      return start;
    }
    const begin = DateTime.fromMillis(time, { zone: timeZone }).startOf(unit);
    known.add(begin.toMillis(), nextStart(interval, begin.toMillis()));
    return begin.toMillis();
  };
}

/** The first instant of the next interval. */
export function nextStart(interval: Interval, start: number): number {
  if ('lengthMs' in interval) {
    return start + interval.lengthMs;
  }
  const { unit, timeZone } = interval;
  // Not every day begins at the same hour: at midnight, clocks may be set forward.
  const next = DateTime.fromMillis(start, { zone: timeZone }).plus({ [unit]: 1 });
  return next.startOf(unit).toMillis();
}

/** Whether there is such a time zone: an IANA name, or an offset. */
export function isTimeZone(name: string): boolean {
  return DateTime.utc().setZone(name).isValid;
}

/** The intervals that were met, sorted, and the one that was met last: events mostly come in order. */
class KnownIntervals {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #latest = -1;

  startOf(time: number): number | undefined {
    if (!this.#holds(this.#latest, time)) {
      this.#latest = this.#placeOf(time);
    }
    return this.#holds(this.#latest, time) ? this.#starts[this.#latest] : undefined;
  }

  add(start: number, end: number): void {
    const place = this.#placeOf(start) + 1;
    this.#starts.splice(place, 0, start);
    this.#ends.splice(place, 0, end);
  }

  #holds(place: number, time: number): boolean {
    const start = this.#starts[place];
    return start !== undefined && start <= time && time < this.#ends[place]!;
  }

  /** The last one that begins at a time or before; -1 where there is none. */
  #placeOf(time: number): number {
    let [low, high] = [0, this.#starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - 1;
  }
}
