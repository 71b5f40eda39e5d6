import { randomInt } from 'node:crypto';

/**
 * What analysts ask, over events that are a second apart: each query gives an answer of the same
 * size from as many events, however many there are, so that what it costs beyond that can be seen.
 */

export const USERS = 100;
const PAGE_EVENTS = 50;
export const DEEP_PAGE = 1_000;
/** So that the page of that number is there in the smallest of the histories. */
export const DEEP_PAGE_EVENTS = 10;
const WINDOW_EVENTS = 3_600;
const BEGIN = Date.UTC(2026, 0, 1);

const TYPES = 20;
const CUSTOMERS = 100;
const CITIES = ['Paris', 'Lyon', 'Nice', 'Lille', 'Nantes', 'Brest', 'Tours', 'Dijon'];
const WORDS = ['delayed', 'refund', 'parcel', 'damaged', 'returned', 'signed', 'address', 'paid'];

/** The draft of the nth event; the same for all histories. */
export function draft(n: number): Record<string, unknown> {
  // Spread evenly, and not in step with each other.
  const spread = (n * 2_654_435_761) % 4_294_967_296;
  const word = (at: number): string => WORDS[Math.floor(spread / 8 ** at) % WORDS.length]!;
  return {
    type: `order.t${String(spread % TYPES)}`,
    time: timeOf(n),
    payload: {
      customer: `c${String(Math.floor(spread / 7) % CUSTOMERS)}`,
      city: CITIES[Math.floor(spread / 11) % CITIES.length],
      total: Math.floor(spread / 13) % 1_000,
      note: `${word(1)} ${word(3)} ${word(5)}`,
    },
  };
}

function timeOf(n: number): string {
  return new Date(BEGIN + n * 1_000).toISOString();
}

/** The body of a request to `…/search`. */
export type Query = Record<string, unknown>;

export interface Asked {
  /** How much of the history the answer is made of: the same, however much there is. */
  readonly from: string;
  /** Asks with another value every time. */
  readonly next: () => Query;
}

const count = { n: { count: true } };
const counts = { ...count, mean: { avg: 'payload.total' } };

/**
 * The queries by their names.
 *
 * @param events How many there are.
 * @param deep The `next` of the page before the deep one.
 */
export function queries(events: number, deep: string): Record<string, Asked> {
  const one = <T>(of: readonly T[]): T => of[randomInt(of.length)]!;
  const page = (filter: () => Query, from = `${String(PAGE_EVENTS)} newest`): Asked => ({
    from,
    next: () => ({ filter: filter(), limit: PAGE_EVENTS }),
  });
  const latest = { time: { gte: timeOf(events - WINDOW_EVENTS) } };
  const table = (asked: Query): Asked => ({
    from: `last ${WINDOW_EVENTS.toLocaleString('en')}`,
    next: () => ({ filter: latest, ...asked }),
  });
  return {
    'by type': page(() => ({ type: `order.t${String(randomInt(TYPES))}` })),
    'by payload equality': page(() => ({ 'payload.customer': `c${String(randomInt(CUSTOMERS))}` })),
    'by prefix': page(() => ({ 'payload.city': `${one(CITIES).slice(0, 3)}*` })),
    'by numeric range': page(() => ({ 'payload.total': { gte: 900 + randomInt(50) } })),
    'by text': page(() => ({ $text: `${one(WORDS)} ${one(WORDS)}` })),
    'by time range': page(() => {
      const from = events - WINDOW_EVENTS + randomInt(WINDOW_EVENTS / 2);
      return { time: { gte: timeOf(from), lt: timeOf(from + WINDOW_EVENTS / 2) } };
    }),
    'by user, newest 50': page(() => ({ 'source.userId': `u${String(randomInt(USERS))}` })),
    'deep page 1,000': {
      from: `${String(DEEP_PAGE_EVENTS)} next`,
      next: () => ({ limit: DEEP_PAGE_EVENTS, next: deep }),
    },
    'histogram by hour': table({ groupBy: [{ field: 'time', interval: '1h' }], metrics: count }),
    'terms of a payload path': table({ groupBy: ['payload.city'], metrics: counts }),
  };
}

/** Looks at each event there is. */
export function ofEverything(): Query {
  return { groupBy: ['payload.city'], metrics: counts };
}
