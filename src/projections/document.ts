/**
 * What every back end indexes of an event, computed in one place, so that a filter means the same
 * in each of them and on the live path.
 */
import type { Event, Json } from '../event.js';

/** A scalar, and the keys that lead to it, joined by dots, without array indices. */
export interface Leaf {
  readonly path: string;
  readonly value: string | number | boolean;
}

/**
 * Each value becomes an entry of an index. Without a limit, one event of a megabyte (`[1,1,1,…]`)
 * makes half a million of them and holds up the events of every other workspace behind it.
 */
export const documentLeavesMax = 10_000;

/** A filter cannot name a longer path, so a longer one is not worth an index entry. */
export const pathLengthMax = 1_024;

/** In code points. Longer runs are no words (base64, say); text and search are cut alike. */
export const wordLengthMax = 64;

/** @throws Error with the reason why a text can never be stored as an event. */
export function parseEvent(text: string): Event {
  const event = JSON.parse(text) as Event;
  if (typeof event.id !== 'string' || typeof event.type !== 'string') {
    throw new Error('has no id or no type');
  }
  return event;
}

/** What an index tells of source, target and payload; null counts as absent. */
export interface Contents {
  /** The scalars, each as often as it stands there. */
  readonly leaves: readonly Leaf[];
  /**
   * Where there is a value, object or scalar: what `exists` is true of, beside the fields that
   * every event has. An array is where its elements are.
   */
  readonly paths: ReadonlySet<string>;
}

/** @throws Error with a reason for the dead-letter log when there are over `documentLeavesMax`. */
export function contentsOf(event: Event): Contents {
  const found: Leaf[] = [];
  const paths = new Set<string>();
  visit(event, (path, value) => {
    paths.add(path);
    if (typeof value !== 'object') {
      found.push({ path, value });
    }
    // Objects have no leaves if they are empty, but paths.
    if (Math.max(found.length, paths.size) > documentLeavesMax) {
      throw new Error(`has more than ${documentLeavesMax.toLocaleString('en')} values to index`);
    }
  });
  return { leaves: found, paths };
}

/** The words of every text in the payload, keys aside: what `$text` looks in. */
export function textWords(event: Event): Set<string> {
  const found = new Set<string>();
  const pending: Json[] = [event.payload];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value === 'string') {
      for (const token of words(value)) {
        found.add(token);
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const child of Object.values(value)) {
        pending.push(child);
      }
    }
  }
  return found;
}

/** The one tokeniser: runs of letters, marks and digits, case and compatible forms folded. */
export function words(text: string): string[] {
  return (fold(text).match(word) ?? []).map(cut);
}

/** What a search asks for, by the same tokeniser: a star right behind a word makes a prefix. */
export function searchWords(text: string): { word: string; prefix: boolean }[] {
  return (fold(text).match(searchWord) ?? []).map((found) =>
    found.endsWith('*')
      ? { word: cut(found.slice(0, -1)), prefix: true }
      : { word: cut(found), prefix: false },
  );
}

const word = /[\p{L}\p{M}\p{N}]+/gu;
const searchWord = new RegExp(String.raw`${word.source}\*?`, 'gu');

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function cut(found: string): string {
  // A code point takes at most two units, so the slice spares spreading a megabyte.
  return found.length <= wordLengthMax
    ? found
    : [...found.slice(0, 2 * wordLengthMax)].slice(0, wordLengthMax).join('');
}

/**
 * Every value of source, target and payload that is neither null nor an array, in no order. A
 * list of what is pending, not recursion: a few kilobytes of `[` would exhaust the stack.
 */
function visit(event: Event, each: (path: string, value: Exclude<Json, null>) => void): void {
  const { source, target = {}, payload } = event;
  const pending: [string, Json | undefined][] = [];
  const enter = (prefix: string, object: object): void => {
    for (const [key, child] of Object.entries(object)) {
      pending.push([`${prefix}.${key}`, child as Json | undefined]);
    }
  };
  enter('source', source);
  enter('target', target);
  enter('payload', payload);
  for (let next = pending.pop(); next; next = pending.pop()) {
    const [path, value] = next;
    if (value === null || value === undefined || path.length > pathLengthMax) {
      continue;
    }
    if (Array.isArray(value)) {
      for (const element of value) {
        pending.push([path, element]);
      }
      continue;
    }
    each(path, value);
    if (typeof value === 'object') {
      enter(path, value);
    }
  }
}
