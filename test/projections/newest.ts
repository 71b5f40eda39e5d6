import type { Incarnation, Json, Position, Recorded } from '../../src/event.js';
import type { EventStore, SearchQuery } from '../../src/projections/store.js';
import { parseFilter } from '../../src/queries/filter.js';

/** After all positions. */
export const END = Number.MAX_SAFE_INTEGER as Position;

/** Of one incarnation, by position. */
export interface Newest {
  readonly records: readonly Recorded[];
  /** The `before` of the next page, if there is one. */
  readonly next?: Position;
}

/** The query for the newest events of an incarnation before a position. */
export function newestQuery(
  of: Incarnation,
  { filter = {}, limit = 100, before = END }: { filter?: Json; limit?: number; before?: Position },
): SearchQuery {
  return {
    of: [of],
    filter: parseFilter(filter),
    sort: 'position',
    order: 'newest',
    limit,
    last: before - 1,
  };
}

export async function newest(
  store: EventStore,
  of: Incarnation,
  asked: Parameters<typeof newestQuery>[1] = {},
): Promise<Newest> {
  const { hits, more } = await store.search(newestQuery(of, asked));
  const records = hits.map(({ record }) => record);
  const last = records.at(-1);
  return { records, ...(more && last && { next: last.position }) };
}
