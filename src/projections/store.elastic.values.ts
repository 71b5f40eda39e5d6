/** What a document holds to be aggregated: texts by path, numbers by column. */
import type { Event } from '../event.js';
import { groupText } from './aggregation.js';
import type { Leaf } from './document.js';
import { columnName } from './store.elastic.columns.js';

/** More values than this at one path of an event are told of, for aggregations to find. */
export const spreadMin = 10;

/** One value stands for a list of it, in fewer characters. */
type Several<T> = Record<string, T | T[]>;

/** What groups are named by, and what is counted as different: the texts at each path. */
export function valuesOf(
  { type, workspaceId }: Event,
  leaves: readonly Leaf[],
): {
  values: Several<string>;
  /** How many there are at the path that has most; absent up to `spreadMin`. */
  spread: number | undefined;
} {
  const values: Several<string> = {};
  const named = [
    { path: 'type', value: type },
    { path: 'workspaceId', value: workspaceId },
  ];
  let most = 1;
  for (const { path, value } of [...named, ...leaves]) {
    if (isNameOfValues(path)) {
      most = Math.max(most, add(values, path, groupText(String(value))));
    }
  }
  return { values, spread: most > spreadMin ? most : undefined };
}

/** Elasticsearch keeps a path and its text apart by the character that it does not take in one. */
export function isNameOfValues(path: string): boolean {
  return !path.includes('\0');
}

/**
 * What sums and the like are computed of. JSON can spell numbers that are none as a double.
 *
 * @param columns The column of each path.
 */
export function numbersOf(
  leaves: readonly Leaf[],
  columns: ReadonlyMap<string, number>,
): {
  /** By the name of the column. */
  numbers: Several<number>;
  /** Those columns, by path. */
  placed: Record<string, number>;
  /** The paths that have no column. */
  unplaced: string[];
} {
  const numbers: Several<number> = {};
  const placed: Record<string, number> = {};
  const unplaced: string[] = [];
  for (const { path, value } of leaves) {
    if (typeof value === 'number' && Number.isFinite(value)) {
      const column = columns.get(path);
      if (column === undefined) {
        unplaced.push(path);
      } else {
        placed[path] = column;
        add(numbers, columnName(column), value);
      }
    }
  }
  return { numbers, placed, unplaced };
}

/** @returns How many there are now. */
function add<T>(to: Several<T>, name: string, value: T): number {
  const before = to[name];
  if (before === undefined) {
    to[name] = value;
    return 1;
  }
  if (Array.isArray(before)) {
    return before.push(value);
  }
  to[name] = [before, value];
  return 2;
}
