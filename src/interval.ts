import { DateTime } from 'luxon';
import { lowest } from './bisect.js';

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
    const begin = firstOf(DateTime.fromMillis(time, { zone: timeZone }).startOf(unit));
    known.add(begin, nextStart(interval, begin));
    return begin;
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
  return firstOf(next.startOf(unit));
}

/** Where clocks are set back over it, a midnight comes twice: the day begins with the first one. */
function firstOf(midnight: DateTime): number {
  const { offset: before } = DateTime.fromMillis(midnight.toMillis() - dayMs, {
    zone: midnight.zone,
  });
  const earlier = midnight.toMillis() - (before - midnight.offset) * minuteMs;
  const { offset } = DateTime.fromMillis(earlier, { zone: midnight.zone });
  return Math.min(midnight.toMillis(), offset === before ? earlier : Infinity);
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** What ISO 8601 has room for, and Java. */
const offsetMinutesMax = 18 * 60;

/** Names that Luxon takes for the zone of the machine that it runs on. */
const machineZones = new Set(['local', 'system', 'default']);

/** Whether there is such a time zone: an IANA name, or an offset such as `UTC+5:30`. */
export function isTimeZone(name: string): boolean {
  const { isValid, offset } = DateTime.utc().setZone(name);
  return isValid && Math.abs(offset) <= offsetMinutesMax && !machineZones.has(name.toLowerCase());
}

/** The one name of a time zone, as Java knows it too: `Europe/Berlin`, or `+05:30`. */
export function zoneId(name: string): string {
  const { zone } = DateTime.utc().setZone(name);
  return zone.type === 'fixed'
    ? zone.formatOffset(0, 'short')
    : new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
}

/** The intervals that were met, sorted, and the latest of them: events mostly come in order. */
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
    return lowest(this.#starts.length, (place) => this.#starts[place]! > time) - 1;
  }
}
