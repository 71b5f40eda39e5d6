/** A day, week (from Monday), month, quarter or year of a time zone, or a length in UTC. */
export type Interval =
  | { readonly unit: 'day' | 'week' | 'month' | 'quarter' | 'year'; readonly timeZone: string }
  /** Counted from 1970-01-01T00:00Z. */
  | { readonly lengthMs: number };
