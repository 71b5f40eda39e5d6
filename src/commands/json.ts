import { isUtf8 } from 'node:buffer';
import { ServiceError } from '../errors.js';

/** Deeper JSON overflows the stack of whoever walks it recursively; no real payload comes near. */
export const JSON_DEPTH_MAX = 64;

/** A number token of digits alone that may not survive as a double (2^53 has 16 digits). */
const LONG_INTEGER = /(?<=^|[[:,\s])-?\d{16,}(?=[\s,}\]]|$)/g;

/** Only an escape can bring half a surrogate pair through valid UTF-8. */
const SURROGATE = /\\ud[89a-f]/i;

/**
 * Parses a body, frame or line without losing anything: what JavaScript would change silently
 * (bytes that are not UTF-8, integers beyond 2^53, numbers beyond a double) is refused instead.
 *
 * @throws ServiceError `invalid-json` saying what and where.
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) {
    throw new ServiceError('invalid-json', 'The text is not valid UTF-8.');
  }
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const message = text.trim() === '' ? 'There is no JSON.' : (error as SyntaxError).message;
    throw new ServiceError('invalid-json', message, { cause: error });
  }
  // The depth first: who looks at the strings recurses without counting.
  const lossless = isLossless(value, 0);
  if (SURROGATE.test(text) && !isWellFormed(value)) {
    throw new ServiceError('invalid-json', 'A string has half a surrogate pair, which is no text.');
  }
  if (!lossless) {
    const integers = withoutStrings(text).match(LONG_INTEGER) ?? [];
    const integer = integers.find((digits) => !Number.isSafeInteger(Number(digits)));
    if (integer !== undefined) {
      throw new ServiceError(
        'invalid-json',
        `The integer ${integer.slice(0, 40)} is beyond 2^53 and would be rounded: send a string.`,
      );
    }
  }
  return value;
}

/** Valid JSON with all its strings empty: what is left of the digits are numbers. */
function withoutStrings(text: string): string {
  return text.replace(/\\./g, '').replace(/"[^"]*"/g, '""');
}

/** RFC 7493, 2.1: what is no Unicode text would be stored as another text. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') {
    return value.isWellFormed();
  }
  return (
    typeof value !== 'object' ||
    value === null ||
    Object.entries(value).every(([key, child]) => key.isWellFormed() && isWellFormed(child))
  );
}

/** Whether every number is what was written; fails on depth and on numbers beyond a double. */
function isLossless(value: unknown, depth: number): boolean {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) {
      throw new ServiceError('invalid-json', 'A number is too large for a double: send a string.');
    }
    return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  }
  if (typeof value !== 'object' || value === null) {
    return true;
  }
  if (depth === JSON_DEPTH_MAX) {
    throw new ServiceError(
      'invalid-json',
      `The JSON is nested deeper than ${String(JSON_DEPTH_MAX)} levels.`,
    );
  }
  let lossless = true;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) {
      lossless = isLossless(item, depth + 1) && lossless;
    }
  } else {
    // Values from JSON.parse have own enumerable properties only, so for…in sees exactly them.
    for (const key in value) {
      lossless = isLossless((value as Record<string, unknown>)[key], depth + 1) && lossless;
    }
  }
  return lossless;
}
