import { groupsMax } from '../projections/limits.js';
import type { Grouping } from '../projections/store.js';
import { parseInterval, type Aggregation } from './aggregate.parse.js';
import { parseFilter, type Filter } from './filter.js';

/** What workspaces have been used for: what their history holds, by the time of acceptance. */
export interface UsageRequest {
  readonly interval?: string;
  readonly timeZone?: string;
  /** RFC 3339, inclusive. */
  readonly from?: string;
  /** RFC 3339, exclusive. */
  readonly to?: string;
  /** What else it is told by. */
  readonly by?: 'type' | 'workspaceId';
}

/** Usage as an aggregation: a row for each interval, also where nothing happened. */
export function usage(request: UsageRequest): { filter: Filter; aggregation: Aggregation } {
  const { interval = '1d', timeZone = 'UTC', from, to, by } = request;
  const bounds = { ...(from !== undefined && { gte: from }), ...(to !== undefined && { lt: to }) };
  const isBounded = Object.keys(bounds).length > 0;
  const groupBy: Grouping[] = [
    { by: 'interval', field: 'createdAt', interval: parseInterval(interval, timeZone, '') },
    ...(by === undefined ? [] : [{ by: 'terms', field: by } as const]),
  ];
  return {
    filter: parseFilter(isBounded ? { createdAt: bounds } : {}),
    aggregation: {
      groupBy,
      metrics: [
        { name: 'events', metric: { of: 'count' } },
        { name: 'bytes', metric: { of: 'sum', field: 'bytes' } },
        { name: 'users', metric: { of: 'distinct', field: 'source.userId' } },
        { name: 'sessions', metric: { of: 'distinct', field: 'source.sessionId' } },
      ],
      having: [],
      orderBy: [],
      limit: groupsMax,
      fill: true,
    },
  };
}
