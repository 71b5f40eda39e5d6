/** What one value has to be, compiled. Objects have no text and no order: they only exist. */
import type { JsonObject } from '../event.js';
import type { Bounds, TextBounds } from './filter.ast.js';

/** What is at a field: no null, no array. */
export type Value = string | number | boolean | JsonObject;
export type ValueTest = (value: Value) => boolean;

/** Numbers are looked up as numbers, as their text would have to be made for each event. */
export function oneOf(values: readonly string[]): ValueTest {
  const listed = new Set<Value>(values);
  for (const value of values) {
    if (String(Number(value)) === value) {
      listed.add(Number(value));
    }
    if (value === 'true' || value === 'false') {
      listed.add(value === 'true');
    }
  }
  return (value) => listed.has(value);
}

export function startsWith(text: string): ValueTest {
  return (value) => typeof value !== 'object' && String(value).startsWith(text);
}

export function endsWith(text: string): ValueTest {
  return (value) => typeof value !== 'object' && String(value).endsWith(text);
}

export function within(bounds: Bounds): ValueTest {
  if (bounds.kind === 'text') {
    return textWithin(bounds);
  }
  const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = bounds;
  return (value) =>
    typeof value === 'number' && value > gt && value >= gte && value < lt && value <= lte;
}

function textWithin({ gt, gte, lt, lte }: TextBounds): ValueTest {
  return (value) =>
    typeof value === 'string' &&
    (gt === undefined || byCodePoint(value, gt) > 0) &&
    (gte === undefined || byCodePoint(value, gte) >= 0) &&
    (lt === undefined || byCodePoint(value, lt) < 0) &&
    (lte === undefined || byCodePoint(value, lte) <= 0);
}

/**
 * The order of the code points, which is that of UTF-8 bytes, in which back ends sort. JavaScript's
 * own `<` puts an emoji, whose surrogates are D800 to DFFF, before U+E000 to U+FFFF.
 */
function byCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const unitA = a.charCodeAt(index);
    const unitB = b.charCodeAt(index);
    if (unitA !== unitB) {
      return surrogatesLast(unitA) - surrogatesLast(unitB);
    }
  }
  return a.length - b.length;
}

function surrogatesLast(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
