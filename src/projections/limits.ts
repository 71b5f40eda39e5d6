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
