import { randomUUID } from 'node:crypto';

/**
 * A UUID of version 7 (RFC 9562, 5.7): the milliseconds since 1970 in the first 48 bits, so that
 * ids made later sort later, then 74 random bits. Those are taken from a version 4 UUID, because
 * Node draws the randomness of many of them at once; drawing it per id cost more than the rest of
 * an emit.
 */
export function uuidv7(milliseconds = Date.now()): string {
  const time = milliseconds.toString(16).padStart(12, '0');
  const random = randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
