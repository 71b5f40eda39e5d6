/** The filter as a function of an event: what decides live, in a replay, and over an index. */
import type { Event, Recorded } from '../event.js';
import { instant } from '../instant.js';
import { textWords } from '../projections/document.js';
import type { Filter, FilterNode } from './filter.ast.js';
import {
  endsWith,
  oneOf,
  startsWith,
  within,
  type Value,
  type ValueTest,
} from './filter.compare.js';

type Test = (recorded: Recorded) => boolean;

/**
 * Compiles once what is then called for every event. Looks at the fields asked for alone; where
 * none is, the event is not even parsed.
 */
export function compile(filter: Filter): Test {
  let test = compiled.get(filter);
  if (!test) {
    test = testOf(filter.root);
    compiled.set(filter, test);
  }
  return test;
}

/** Those of roles come with every request, and a predicate keeps nothing between two events. */
const compiled = new WeakMap<Filter, Test>();

/**
 * Reads the texts of the scalars at a field: what an `in` is true of, when one of them is listed.
 */
export function textsAt(field: string): (recorded: Recorded) => string[] {
  const values = valuesAt(field);
  return (recorded) =>
    values(recorded)
      .filter((value) => typeof value !== 'object')
      .map(String);
}

/** Reads all values at a field, in the order in which they stand: what a condition is tried on. */
export function valuesAt(field: string): (recorded: Recorded) => Value[] {
  let found: Value[] = [];
  const collect = someAt(field, (value) => {
    found.push(value);
    return false;
  });
  return (recorded) => {
    found = [];
    collect(recorded);
    return found;
  };
}

function testOf(node: FilterNode): Test {
  switch (node.op) {
    case 'all':
      return () => true;
    case 'and':
      return decide(node.nodes, false);
    case 'or':
      return decide(node.nodes, true);
    case 'not': {
      const test = testOf(node.node);
      return (recorded) => !test(recorded);
    }
    case 'text':
      return hasWord(node.word, node.prefix);
    case 'in':
      return someAt(node.field, oneOf(node.values));
    case 'range':
      return someAt(node.field, within(node.bounds));
    case 'prefix':
      return someAt(node.field, startsWith(node.text));
    case 'suffix':
      return someAt(node.field, endsWith(node.text));
    case 'exists':
      return someAt(node.field, () => true);
  }
}

/** What the first node says that says `deciding`, or else the contrary; the cheapest go first. */
function decide(nodes: readonly FilterNode[], deciding: boolean): Test {
  const tests = nodes.toSorted((a, b) => costOf(a) - costOf(b)).map(testOf);
  return (recorded) => {
    for (const test of tests) {
      if (test(recorded) === deciding) {
        return deciding;
      }
    }
    return !deciding;
  };
}

/** Positions need no parsing of the event, and words all its texts. */
function costOf(node: FilterNode): number {
  switch (node.op) {
    case 'and':
    case 'or':
      return Math.max(...node.nodes.map(costOf));
    case 'not':
      return costOf(node.node);
    case 'text':
      return 2;
    case 'range':
      return node.field === 'position' ? 0 : 1;
    default:
      return 1;
  }
}

/** Whether any value at a field passes a test. */
function someAt(field: string, test: ValueTest): Test {
  switch (field) {
    case 'position':
      return (recorded) => test(recorded.position);
    case 'id':
    case 'type':
    case 'workspaceId':
      return (recorded) => test(recorded.event[field]);
    case 'time':
    case 'createdAt':
      return (recorded) => test(instant(recorded.event[field]));
    default: {
      const [root, ...segments] = field.split('.') as [
        'source' | 'target' | 'payload',
        ...string[],
      ];
      const keys = segments.map((_, at) =>
        segments.slice(at).map((_, length) => segments.slice(at, at + length + 1).join('.')),
      );
      return (recorded) => some(recorded.event[root], keys, 0, test);
    }
  }
}

/**
 * Walks down from a node by the segments from `at` on. `keys[at]` holds what the next key can be:
 * one segment, or more of them, as keys may hold dots themselves. Own properties alone: every
 * object would have a `constructor` otherwise.
 */
function some(
  node: unknown,
  keys: readonly (readonly string[])[],
  at: number,
  test: ValueTest,
): boolean {
  if (Array.isArray(node)) {
    for (const element of node) {
      if (some(element, keys, at, test)) {
        return true;
      }
    }
    return false;
  }
  if (node === null || node === undefined) {
    return false;
  }
  const candidates = keys[at];
  if (!candidates) {
    return test(node as Value);
  }
  if (typeof node !== 'object') {
    return false;
  }
  let next = at;
  for (const key of candidates) {
    next++;
    if (
      Object.hasOwn(node, key) &&
      some((node as Record<string, unknown>)[key], keys, next, test)
    ) {
      return true;
    }
  }
  return false;
}

/** The words of the event that was last asked for: many subscribers look for words in each. */
const latest: { event?: Event; words: Set<string> } = { words: new Set() };

function hasWord(word: string, isPrefix: boolean): Test {
  return ({ event }) => {
    if (latest.event !== event) {
      latest.words = textWords(event);
      latest.event = event;
    }
    return latest.words.has(word) || (isPrefix && someStartsWith(latest.words, word));
  };
}

function someStartsWith(found: Iterable<string>, start: string): boolean {
  for (const word of found) {
    if (word.startsWith(start)) {
      return true;
    }
  }
  return false;
}
