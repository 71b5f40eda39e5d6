import { ServiceError } from '../errors.js';

/** A page of large events ends early, or a thousand of a megabyte would not fit into memory. */
export const pageBytesMax = 32 * 1_024 * 1_024;

/** What a search ends with that has not found its page in time. */
export function searchTookTooLong(msMax: number): ServiceError {
  return new ServiceError(
    'unavailable',
    `The search took longer than ${msMax} ms. Narrow its filter: by a value that few events ` +
      'have, or by a range of time.',
  );
}

/** Of an aggregation, which is held in memory, and whose answer somebody has to read. */
export const groupsMax = 10_000;

/** Of a text that names a group, or is counted: a longer one is cut. In UTF-16 units. */
export const groupTextMax = 256;

/** What a query ends with that would need more at once than one caller may have. */
export function tooCostly(what: string): ServiceError {
  return new ServiceError(
    'query-too-costly',
    `The query has ${what}. Narrow its filter, by a range of time, say, or group by less.`,
  );
}

export function tooManyGroups(): ServiceError {
  return tooCostly(`more than ${groupsMax.toLocaleString('en')} groups`);
}
