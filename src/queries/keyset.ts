import { ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import type { SearchQuery, SortKey } from '../projections/store.js';

/** Where a page ends, and the search that it is a page of. */
export interface Keyset {
  readonly sort: SearchQuery['sort'];
  readonly order: SearchQuery['order'];
  /** To the page before, against the order. */
  readonly back: boolean;
  /** Of the workspace; empty across workspaces. */
  readonly epoch: string;
  /** The watermark of the first page, and so of all its pages; Infinity across workspaces. */
  readonly last: number;
  readonly key: SortKey;
}

const VERSION = 1;

/** The wire form: opaque to clients. */
export function formatKeyset({ sort, order, back, epoch, last, key }: Keyset): string {
  const { time, of, position } = key;
  // JSON has no Infinity.
  const all = [VERSION, sort, order, back, epoch, last === Infinity ? null : last];
  return Buffer.from(JSON.stringify([...all, time, of, position])).toString('base64url');
}

/**
 * @param at Where it stood in the request, for the error.
 * @throws ServiceError `invalid-cursor` for what no page has given.
 */
export function parseKeyset(text: string, at: string): Keyset {
  const [version, sort, order, back, epoch, last, time, of, position] = fieldsOf(text);
  const isKeyset =
    version === VERSION &&
    (sort === 'position' || sort === 'time') &&
    (order === 'newest' || order === 'oldest') &&
    typeof back === 'boolean' &&
    typeof epoch === 'string' &&
    (last === null || isPosition(last)) &&
    Number.isSafeInteger(time) &&
    typeof of === 'string' &&
    isPosition(position);
  if (!isKeyset) {
    const message = 'must be the next or the previous of a page, as the service gave it';
    throw new ServiceError('invalid-cursor', `${at} ${message}.`, {
      errors: [{ path: at, message }],
    });
  }
  const key = { time: time as number, of, position: position as Position };
  return { sort, order, back, epoch, last: last === null ? Infinity : (last as number), key };
}

function fieldsOf(text: string): readonly unknown[] {
  try {
    const json: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return Array.isArray(json) ? (json as unknown[]) : [];
  } catch {
    return [];
  }
}

/** -1 is the watermark of an empty history. */
function isPosition(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= -1;
}
