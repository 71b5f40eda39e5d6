import type { Config } from '../config.js';
import { ServiceError } from '../errors.js';
import { instant } from '../instant.js';
import { parseCursor } from '../queries/cursor.js';
import { isFilterParameter, parseFilterQuery, type Filter } from '../queries/filter.js';
import type { From } from '../queries/from.js';

/** What a read asks for, beside its conditions. */
export interface ReadQuery {
  limit?: number;
  next?: string;
  previous?: string;
  sort?: 'position' | 'time';
  order?: 'newest' | 'oldest';
  count?: boolean;
  /** In a query string, the parameter may be repeated. */
  fields?: readonly string[];
  waitFor?: string;
  after?: string;
  from?: string;
  wait?: number;
  pace?: number;
  /** Of CSV: whether the first line names the columns. */
  header?: boolean;
  /** Of CSV: whether texts that a spreadsheet would run are kept from that. */
  escapeFormulas?: boolean;
}

const PAGING = ['limit', 'next', 'previous', 'sort', 'order', 'count', 'fields'] as const;
const OF_CSV = ['header', 'escapeFormulas'] as const;
const PARAMETERS = [...PAGING, 'waitFor', 'after', 'from', 'wait', 'pace', ...OF_CSV] as const;
/** In characters: the answer to a name need not be as long as the name. */
const NAME_SHOWN_MAX = 100;

export const JSON_TYPE = 'application/json';
export const SSE_TYPE = 'text/event-stream';
export const LINES_TYPE = 'application/x-ndjson';
export const CSV_TYPE = 'text/csv';
export const MEDIA_TYPES = [JSON_TYPE, SSE_TYPE, LINES_TYPE, CSV_TYPE] as const;
export type MediaType = (typeof MEDIA_TYPES)[number];

/** A way of reading, with the parameters that it takes beside conditions. */
interface Way {
  readonly name: string;
  readonly takes: readonly (keyof ReadQuery)[];
}

export const SEARCH: Way = { name: 'A search', takes: [...PAGING, 'waitFor', 'wait'] };
const POLL: Way = { name: 'A long poll', takes: ['after', 'from', 'wait', 'limit'] };
const STREAMS = {
  [SSE_TYPE]: { name: SSE_TYPE, takes: ['after', 'from', 'pace'] },
  [LINES_TYPE]: { name: LINES_TYPE, takes: ['after', 'from', 'fields'] },
  [CSV_TYPE]: { name: CSV_TYPE, takes: ['after', 'from', 'fields', ...OF_CSV] },
} as const;

export function wayOf({ after, from, wait, waitFor }: ReadQuery, accepted: MediaType): Way {
  if (accepted !== JSON_TYPE) {
    return STREAMS[accepted];
  }
  const follows = after !== undefined || from !== undefined || wait !== undefined;
  return follows && waitFor === undefined ? POLL : SEARCH;
}

/** A parameter that would be passed over is a mistake of the client. */
export function assertTaken(query: ReadQuery, { name, takes }: Way): void {
  const given = PARAMETERS.filter((parameter) => query[parameter] !== undefined);
  const other = given.find((parameter) => !takes.includes(parameter));
  if (other !== undefined) {
    refuse(other, `is not for this: ${name} takes ${takes.join(', ')} and conditions`);
  }
  if (query.after !== undefined && query.from !== undefined) {
    refuse('from', 'says where to begin, and so does after: send one of them');
  }
}

/**
 * The query parameters that are conditions. Any that is neither that nor described is a mistake.
 */
export function filterOf(querystring: string): Filter {
  const parameters = [...new URLSearchParams(`?${querystring}`)];
  for (const [name] of parameters) {
    if (!isFilterParameter(name) && !PARAMETERS.some((parameter) => parameter === name)) {
      refuse(
        name.slice(0, NAME_SHOWN_MAX),
        `is neither a parameter (${PARAMETERS.join(', ')}) nor a field to filter by; ` +
          'a filter in JSON is for POST …/search',
      );
    }
  }
  return parseFilterQuery(parameters);
}

/**
 * A cursor, `last:n`, a time, or a word. A browser that reconnects has more to say than its URL.
 */
export function startOf(
  { after, from }: ReadQuery,
  lastEventId: string,
  accepted: MediaType,
): From {
  if (accepted === SSE_TYPE && lastEventId !== '') {
    return cursorIn(lastEventId, 'Last-Event-ID');
  }
  if (after !== undefined) {
    return cursorIn(after, 'after');
  }
  if (from === undefined) {
    // An export is of everything, all else is live.
    return accepted === LINES_TYPE || accepted === CSV_TYPE ? 'start' : 'now';
  }
  if (from === 'now' || from === 'start') {
    return from;
  }
  if (from.startsWith('last:')) {
    return { last: Number(from.slice('last:'.length)) };
  }
  if (Number.isNaN(instant(from))) {
    refuse('from', 'must be now, start, last:<1 to 9999> or an RFC 3339 date-time');
  }
  return { time: from };
}

/** Looked at here already, since only here is known what the client calls it. */
function cursorIn(text: string, at: string): From {
  parseCursor(text, at);
  return { position: text };
}

/** Where the client does not say: a screenful, and longer than a projection that keeps up needs. */
const PAGE_EVENTS = 50;
const WAIT_FOR_SECONDS = 10;

/** @throws ServiceError `invalid-request` past the configured bounds. */
export function bounded(query: ReadQuery, config: Config): { limit: number; waitMs: number } {
  const { pageEventsMax, waitSecondsMax } = config;
  const unsaid = query.waitFor === undefined ? 0 : WAIT_FOR_SECONDS;
  const { limit = Math.min(PAGE_EVENTS, pageEventsMax) } = query;
  const { wait = Math.min(unsaid, waitSecondsMax) } = query;
  for (const [path, value, max] of [
    ['limit', limit, pageEventsMax],
    ['wait', wait, waitSecondsMax],
  ] as const) {
    if (value > max) {
      refuse(path, `must be at most ${String(max)}`);
    }
  }
  return { limit, waitMs: wait * 1000 };
}

function refuse(path: string, message: string): never {
  throw new ServiceError('invalid-request', `${path || 'A parameter without a name'} ${message}.`, {
    errors: [{ path, message }],
  });
}
