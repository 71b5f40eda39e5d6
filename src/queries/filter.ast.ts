/**
 * A filter as a tree, and the canonical form under which the equal filters of many subscribers are
 * one: evaluated once per event.
 */

/**
 * A condition on one field holds when any value at that field satisfies it.
 *
 * Of `position`, `time` and `createdAt` there are only ranges: equality is a range of one value. Of
 * what every event has there is no `exists`.
 */
export type FilterNode =
  | { readonly op: 'all' }
  /** Two nodes at least. */
  | { readonly op: 'and'; readonly nodes: readonly FilterNode[] }
  /** Two nodes at least. */
  | { readonly op: 'or'; readonly nodes: readonly FilterNode[] }
  | { readonly op: 'not'; readonly node: FilterNode }
  /** A word as the tokeniser makes it. */
  | { readonly op: 'text'; readonly word: string; readonly prefix: boolean }
  /** One of the texts, at least one. */
  | { readonly op: 'in'; readonly field: string; readonly values: readonly string[] }
  | { readonly op: 'range'; readonly field: string; readonly bounds: Bounds }
  /** Of the empty text: any scalar. */
  | { readonly op: 'prefix'; readonly field: string; readonly text: string }
  | { readonly op: 'suffix'; readonly field: string; readonly text: string }
  | { readonly op: 'exists'; readonly field: string };

/** All bounds of one range, at least one, are of one kind, and one value is within all of them. */
export type Bounds = NumberBounds | TextBounds;
/** Compares numbers only; the field `position`; or, of kind `time`, epoch milliseconds. */
export interface NumberBounds {
  readonly kind: 'number' | 'time';
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}
/** Compares texts only, by code point. */
export interface TextBounds {
  readonly kind: 'text';
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
}

/** A parsed filter in canonical form. Equal keys mean equal filters. */
export interface Filter {
  readonly root: FilterNode;
  readonly key: string;
}

const ALL: FilterNode = { op: 'all' };
const NONE: FilterNode = { op: 'not', node: ALL };

/** The node and its canonical serialisation. */
export function canonical(root: FilterNode): Filter {
  return { root, key: keyOf(root) };
}

/** Every event; costs nothing to evaluate. */
export const EVERYTHING = canonical(ALL);

/** What all the filters let through: the caller's scope and their own wish, say. */
export function and(...filters: readonly Filter[]): Filter {
  return canonical(allOf(filters.map((filter) => filter.root)));
}

/** What any of the filters lets through. */
export function or(...filters: readonly Filter[]): Filter {
  return canonical(anyOf(filters.map((filter) => filter.root)));
}

export function not(node: FilterNode): FilterNode {
  return node.op === 'not' ? node.node : { op: 'not', node };
}

export function allOf(nodes: readonly FilterNode[]): FilterNode {
  return combine('and', nodes, ALL, NONE);
}

export function anyOf(nodes: readonly FilterNode[]): FilterNode {
  return combine('or', mergeLists(nodes.flatMap((node) => partsOf('or', node))), NONE, ALL);
}

/** Sorted and without repetition: the order of writing says nothing. */
export function list(field: string, values: readonly string[]): FilterNode {
  return { op: 'in', field, values: [...new Set(values)].sort() };
}

/** Drops what is neutral, ends at what decides alone, and leaves a single node bare. */
function combine(
  op: 'and' | 'or',
  nodes: readonly FilterNode[],
  neutral: FilterNode,
  absorbing: FilterNode,
): FilterNode {
  const byKey = new Map(
    nodes.flatMap((node) => partsOf(op, node)).map((node) => [keyOf(node), node]),
  );
  byKey.delete(keyOf(neutral));
  if (byKey.has(keyOf(absorbing))) {
    return absorbing;
  }
  const sorted = [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, node]) => node);
  return sorted.length > 1 ? { op, nodes: sorted } : (sorted[0] ?? neutral);
}

function partsOf(op: 'and' | 'or', node: FilterNode): readonly FilterNode[] {
  return node.op === op ? node.nodes : [node];
}

/** `[{a: 1}, {a: 2}]` is `{a: [1, 2]}`: one look-up in a set, or one list in a query. */
function mergeLists(nodes: readonly FilterNode[]): FilterNode[] {
  const lists = new Map<string, string[]>();
  const others: FilterNode[] = [];
  for (const node of nodes) {
    if (node.op === 'in') {
      lists.set(node.field, [...(lists.get(node.field) ?? []), ...node.values]);
    } else {
      others.push(node);
    }
  }
  return [...others, ...[...lists].map(([field, values]) => list(field, values))];
}

/** Every node is built with its properties in one order, so this is the same for equal nodes. */
function keyOf(node: FilterNode): string {
  return JSON.stringify(node);
}
