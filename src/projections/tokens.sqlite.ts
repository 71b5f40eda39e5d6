/**
 * The index of the embedded store: what an event is looked up by, as opaque tokens. A token may be
 * coarse (a hash, first letters, a cell of numbers), as every candidate is checked again with the
 * filter itself; but none may lack that `queries/filter.sqlite.ts` looks an event up by.
 */
import type { Event } from '../event.js';
import { instant } from '../instant.js';
import { contentsOf, textWords, type Leaf } from './document.js';

/** Starts of a text, the longest first (a month of a date), and its end; in UTF-16 units. */
export const prefixLengths = [8, 3, 1] as const;
export const suffixLength = 2;

/** Starts of a word, the longest first; in code points. */
export const wordPrefixLengths = [4, 2] as const;

/** As far as the index looks for the next candidate without giving way to other searches. */
export const windowPositions = 2 ** 18;

/** Cells in one cell of the next coarser level, as a power of two. */
const cellBits = 4;

/** Levels of cells for numbers: the coarsest is the sign and half of the exponent of a double. */
export const numberLevels = 4;

/** Levels of cells for times: the finest is 66 seconds, the coarsest 2.2 years. */
export const timeLevels = 6;
const timeCellMs = 2 ** 16;
const timeCellsMax = 2 ** 26;

const digits = Array.from('0123456789abcdefghijklmnopqrstuv', (digit) => digit.charCodeAt(0));

/** The tokens of what can stand at one path of the events of one workspace. */
export class Place {
  readonly #a: number;
  readonly #b: number;

  /** With the workspace in the tokens, a search of one tenant never walks entries of another. */
  constructor(workspace: number, path: string) {
    let a = workspace ^ 0x2b992ddf;
    let b = workspace ^ 0x41c6ce57;
    for (let index = 0; index < path.length; index++) {
      const unit = path.charCodeAt(index);
      a = Math.imul(a ^ unit, 0x9e3779b1);
      b = Math.imul(b ^ unit, 0x5f356495);
    }
    this.#a = a;
    this.#b = b;
  }

  exists(): string {
    return this.#token(1, '');
  }

  equals(text: string): string {
    return this.#token(2, text);
  }

  prefix(text: string): string {
    return this.#token(3, text);
  }

  suffix(text: string): string {
    return this.#token(4, text);
  }

  cell(level: number, cell: number): string {
    return this.#token(5 + level, String.fromCharCode(cell & 0xffff, cell >> 16));
  }

  /** Fifty bits of hash, in characters that the tokenizer of the index leaves as they are. */
  #token(kind: number, text: string): string {
    let a = Math.imul(this.#a ^ kind, 0x9e3779b1);
    let b = Math.imul(this.#b ^ kind, 0x5f356495);
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      a = Math.imul(a ^ unit, 0x9e3779b1);
      b = Math.imul(b ^ unit, 0x5f356495);
    }
    a ^= a >>> 15;
    b ^= b >>> 15;
    return String.fromCharCode(
      digits[a & 31]!,
      digits[(a >>> 5) & 31]!,
      digits[(a >>> 10) & 31]!,
      digits[(a >>> 15) & 31]!,
      digits[(a >>> 20) & 31]!,
      digits[b & 31]!,
      digits[(b >>> 5) & 31]!,
      digits[(b >>> 10) & 31]!,
      digits[(b >>> 15) & 31]!,
      digits[(b >>> 20) & 31]!,
    );
  }
}

/** All tokens of an event, as the text to index; some twice, which the index does not mind. */
export function tokensOf(workspace: number, position: number, event: Event): string {
  const tokens = [windowToken(workspace, position)];
  const type = new Place(workspace, 'type');
  tokens.push(type.equals(event.type));
  addPrefixes(event.type, type, tokens);
  // `order.paid` is looked up by `order.` too.
  for (const { index } of event.type.matchAll(/\./g)) {
    tokens.push(type.prefix(event.type.slice(0, index + 1)));
  }
  for (const field of ['time', 'createdAt'] as const) {
    addCells(timeCell(instant(event[field])), timeLevels, new Place(workspace, field), tokens);
  }
  const { leaves, paths } = contentsOf(event);
  for (const path of paths) {
    tokens.push(new Place(workspace, path).exists());
  }
  for (const leaf of leaves) {
    addLeaf(leaf, new Place(workspace, leaf.path), tokens);
  }
  const text = new Place(workspace, '$text');
  for (const word of textWords(event)) {
    tokens.push(text.equals(word));
    const points = [...word];
    for (const length of wordPrefixLengths.filter((count) => points.length >= count)) {
      tokens.push(text.prefix(points.slice(0, length).join('')));
    }
  }
  return tokens.join(' ');
}

function addLeaf({ path, value }: Leaf, place: Place, tokens: string[]): void {
  const text = String(value);
  tokens.push(place.equals(text));
  if (hasParts(path)) {
    addPrefixes(text, place, tokens);
    if (text.length >= suffixLength) {
      tokens.push(place.suffix(text.slice(-suffixLength)));
    }
    if (typeof value === 'number') {
      addCells(numberCell(value), numberLevels, place, tokens);
    }
  }
}

function addPrefixes(text: string, place: Place, tokens: string[]): void {
  for (const length of prefixLengths) {
    if (text.length >= length) {
      tokens.push(place.prefix(text.slice(0, length)));
    }
  }
}

/** The cell of a value, and the coarser ones that it lies in. */
function addCells(cell: number, levels: number, place: Place, tokens: string[]): void {
  for (let level = 0; level < levels; level++) {
    tokens.push(place.cell(level, cell >> (cellBits * level)));
  }
}

/** The token of all events in the window of a position. */
export function windowToken(workspace: number, position: number): string {
  return new Place(workspace, '$window').cell(0, Math.floor(position / windowPositions));
}

/** What the server sets, ids mostly, is asked for as a whole; its parts are not worth tokens. */
export function hasParts(path: string): boolean {
  return !path.startsWith('source.');
}

const view = new DataView(new ArrayBuffer(Float64Array.BYTES_PER_ELEMENT));

/** The first 16 bits of a double, to a sixteenth of a power of two, in the order of numbers. */
export function numberCell(value: number): number {
  // -0 equals 0, but is not spelled like it.
  view.setFloat64(0, value + 0);
  const bits = view.getUint16(0);
  return bits & 0x8000 ? 0xffff - bits : 0x8000 + bits;
}

/** Times before 1970 and after 2109 share the first and the last cell. */
export function timeCell(time: number): number {
  return Math.min(Math.max(Math.floor(time / timeCellMs), 0), timeCellsMax - 1);
}

/** The fewest cells that together are `low` to `high`, as the tokens of a place. */
export function cellsBetween(low: number, high: number, levels: number, place: Place): string[] {
  const tokens: string[] = [];
  const last = 2 ** cellBits - 1;
  for (let level = 0; ; level++) {
    const coarsest = level === levels - 1;
    while (low <= high && (coarsest || (low & last) !== 0)) {
      tokens.push(place.cell(level, low++));
    }
    while (low <= high && (high & last) !== last) {
      tokens.push(place.cell(level, high--));
    }
    if (low > high) {
      return tokens;
    }
    low >>= cellBits;
    high >>= cellBits;
  }
}
