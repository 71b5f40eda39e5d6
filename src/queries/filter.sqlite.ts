/** The filter as a query of the index of the embedded store. */
import {
  cellsBetween,
  hasParts,
  numberCell,
  numberLevels,
  Place,
  prefixLengths,
  suffixLength,
  timeCell,
  timeLevels,
  wordPrefixLengths,
} from '../projections/tokens.sqlite.js';
import type { Bounds, Filter, FilterNode, NumberBounds } from './filter.ast.js';

/** Where to look for the matches of a filter: all of them are there, and others that are none. */
export interface Plan {
  /** An FTS5 expression that every match satisfies; absent: the index does not tell. */
  readonly match?: string;
  /** The expression asks for terms that meet, which may be never. */
  readonly meets: boolean;
  /** Every match has one of these ids. */
  readonly ids?: readonly string[];
  /** The range of positions, both inclusive. */
  readonly first: number;
  readonly last: number;
}

/** No token, since those have ten characters. */
const nothing = 'nothing';

/** What expressions are made of. */
interface Index {
  readonly at: (path: string) => Place;
  readonly era: Era;
}

/** The earliest and the latest time of the events of a workspace, in epoch milliseconds. */
export interface Era {
  readonly begin: number;
  readonly end: number;
}

const ALL_TIMES: Era = { begin: -Infinity, end: Infinity };

/**
 * What the index knows of the matches of a filter in one workspace.
 *
 * @param era Beyond it, no time is looked for: of “since yesterday”, the cells up to the last of
 *   all are three times as many.
 */
export function planOf(filter: Filter, workspace: number, era: Era = ALL_TIMES): Plan {
  const { root } = filter;
  let first = 0;
  let last = Infinity;
  let ids: readonly string[] | undefined;
  for (const node of root.op === 'and' ? root.nodes : [root]) {
    if (node.op === 'in' && node.field === 'id') {
      ids = node.values;
    }
    if (node.op === 'range' && node.field === 'position') {
      const [low, high] = extent(node.bounds);
      first = Math.max(first, low);
      last = Math.min(last, high);
    }
  }
  const match = expression(root, { at: (path) => new Place(workspace, path), era });
  const meets = match?.includes(' AND ') ?? false;
  return { ...(match !== undefined && { match }), meets, ...(ids && { ids }), first, last };
}

/**
 * An expression that every match of the node satisfies, or `undefined` where none is known. Only
 * terms, AND and OR, which FTS5 answers newest first as it goes: of `term*` it would first collect
 * all entries. And no NOT, since a coarse token cannot rule an event out.
 */
function expression(node: FilterNode, index: Index): string | undefined {
  const { at, era } = index;
  switch (node.op) {
    case 'all':
      return undefined;
    case 'not':
      return node.node.op === 'all' ? nothing : undefined;
    case 'and': {
      const known = node.nodes
        .map((part) => expression(part, index))
        .filter((part) => part !== undefined);
      return known.length > 0 ? `(${known.join(' AND ')})` : undefined;
    }
    case 'or': {
      const parts = node.nodes.map((part) => expression(part, index));
      return parts.every((part) => part !== undefined) ? anyOf(parts) : undefined;
    }
    case 'text':
      return node.prefix ? wordPrefix(node.word, at('$text')) : at('$text').equals(node.word);
    default:
      return condition(node, at(node.field), era);
  }
}

type Condition = Extract<FilterNode, { field: string }>;

function condition(node: Condition, place: Place, era: Era): string | undefined {
  switch (node.field) {
    case 'id':
    case 'position':
    case 'workspaceId':
      return undefined;
    case 'time':
      return node.op === 'range' ? times(node.bounds, place, era) : undefined;
    case 'createdAt':
      return node.op === 'range' ? times(node.bounds, place, ALL_TIMES) : undefined;
    case 'type':
      return typeOf(node, place);
    default:
      return valueAt(node, place);
  }
}

function typeOf(node: Condition, place: Place): string | undefined {
  switch (node.op) {
    case 'in':
      return anyOf(node.values.map((value) => place.equals(value)));
    case 'prefix': {
      const dotted = node.text.slice(0, node.text.lastIndexOf('.') + 1);
      return dotted === '' ? prefix(node.text, place) : place.prefix(dotted);
    }
    default:
      return undefined;
  }
}

/** Of a condition on source, target or payload at least this is known: there is a value. */
function valueAt(node: Condition, place: Place): string {
  if (node.op === 'in') {
    return anyOf(node.values.map((value) => place.equals(value)));
  }
  return (hasParts(node.field) ? partAt(node, place) : undefined) ?? place.exists();
}

function partAt(node: Condition, place: Place): string | undefined {
  switch (node.op) {
    case 'range':
      return node.bounds.kind === 'number' ? numbers(node.bounds, place) : undefined;
    case 'prefix':
      return prefix(node.text, place);
    case 'suffix':
      return node.text.length >= suffixLength
        ? place.suffix(node.text.slice(-suffixLength))
        : undefined;
    default:
      return undefined;
  }
}

function prefix(text: string, place: Place): string | undefined {
  const length = prefixLengths.find((units) => text.length >= units);
  return length === undefined ? undefined : place.prefix(text.slice(0, length));
}

function numbers(bounds: Bounds, place: Place): string {
  const [low, high] = extent(bounds);
  return anyOf(cellsBetween(numberCell(low), numberCell(high), numberLevels, place));
}

function times(bounds: Bounds, place: Place, { begin, end }: Era): string {
  const [low, high] = extent(bounds);
  const [first, last] = [timeCell(Math.max(low, begin)), timeCell(Math.min(high, end))];
  return anyOf(cellsBetween(first, last, timeLevels, place));
}

function wordPrefix(text: string, place: Place): string | undefined {
  const points = [...text];
  const length = wordPrefixLengths.find((count) => points.length >= count);
  return length === undefined ? undefined : place.prefix(points.slice(0, length).join(''));
}

/** The lowest and the highest number that can be within bounds. */
function extent(bounds: Bounds): [low: number, high: number] {
  // Of position and of times there are no bounds that are text; elsewhere the caller has looked.
  const { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity } = bounds as NumberBounds;
  return [Math.max(gt, gte), Math.min(lt, lte)];
}

function anyOf(parts: readonly string[]): string {
  return parts.length > 0 ? `(${parts.join(' OR ')})` : nothing;
}
