/**
 * The filter language: one meaning for live, replay, search, export and permission.
 */
export { and, EVERYTHING } from './filter.ast.js';
export type { Bounds, Filter, FilterNode, NumberBounds, TextBounds } from './filter.ast.js';
