import { randomFillSync } from 'node:crypto';

/** Of these, 74 bits are used. */
const RANDOM_BYTES = 10;

/** Randomness for many ids at once: drawing it for each costs more than the rest of an emit. */
const pool = Buffer.allocUnsafeSlow(1_024 * RANDOM_BYTES);
let used = pool.length;

/** The two bits of the variant, then two random ones. */
const VARIANTS = '89ab';

/**
 * A UUID of version 7 (RFC 9562, 5.7): the milliseconds since 1970 in the first 48 bits, so that
 * ids made later sort later, then 74 random bits.
 */
export function uuidv7(milliseconds = Date.now()): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const variant = VARIANTS.charAt(pool[used]! & 3);
  const random = pool.toString('hex', used + 1, used + RANDOM_BYTES);
  used += RANDOM_BYTES;
  const time = milliseconds.toString(16).padStart(12, '0');
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-` +
    `${variant}${random.slice(3, 6)}-${random.slice(6)}`
  );
}
