/**
 * The filter language: one meaning for live, replay, search, export and permission.
 */

/** A condition on one field holds when any value at that field satisfies it. */
export type FilterNode =
  | { readonly op: 'all' }
  | { readonly op: 'and'; readonly nodes: readonly FilterNode[] }
  | { readonly op: 'or'; readonly nodes: readonly FilterNode[] }
  | { readonly op: 'not'; readonly node: FilterNode }
  | { readonly op: 'text'; readonly word: string; readonly prefix: boolean }
  | { readonly op: 'in'; readonly field: string; readonly values: readonly string[] }
  | { readonly op: 'range'; readonly field: string; readonly bounds: Bounds }
  | { readonly op: 'prefix'; readonly field: string; readonly text: string }
  | { readonly op: 'suffix'; readonly field: string; readonly text: string }
  | { readonly op: 'exists'; readonly field: string };

/** All bounds of one range are of one kind: numbers, or text (times are numbers here: epoch milliseconds). */
export type Bounds = NumberBounds | TextBounds;
export interface NumberBounds {
  readonly kind: 'number' | 'time';
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}
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
