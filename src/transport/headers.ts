import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '../errors.js';
import { isName } from './claims.js';

/**
 * The one value of a header.
 *
 * @throws ServiceError `invalid-request` where it comes twice: what stands before the service may
 *   read the one, and the service the other.
 */
export function single(request: IncomingMessage, field: string): string | undefined {
  const values = request.headersDistinct[field];
  if (values && values.length > 1) {
    refuseHeader(field, 'comes more than once; send it once');
  }
  return values?.[0];
}

/**
 * The name in a header. Node reads headers as Latin-1; who puts a name beyond ASCII into one means
 * UTF-8.
 *
 * @throws ServiceError `invalid-request`
 */
export function nameIn(
  request: IncomingMessage,
  field: string,
  isAllowed: (text: string) => boolean = isName,
): string | undefined {
  const value = single(request, field);
  if (value === undefined) {
    return undefined;
  }
  const bytes = Buffer.from(value, 'latin1');
  const text = bytes.toString();
  return isUtf8(bytes) && isAllowed(text)
    ? text
    : refuseHeader(field, 'must be 1 to 256 characters of UTF-8 without control characters');
}

/** @throws ServiceError `invalid-request`, always. */
export function refuseHeader(field: string, message: string): never {
  throw new ServiceError('invalid-request', `The header ${field} ${message}.`, {
    errors: [{ path: field, message }],
  });
}
