/**
 * The filter language: one meaning for live, replay, search, export and permission. The guide to it
 * is `docs/filter.md`, the JSON Schema `schemas/filter.json`.
 */
import { allOf, anyOf, canonical, not, type Filter, type FilterNode } from './filter.ast.js';
import { Budget, condition, isObject, listed, textCondition } from './filter.condition.js';
import { refuse } from './filter.field.js';

export { and, EVERYTHING, or } from './filter.ast.js';
export type { Bounds, Filter, FilterNode, NumberBounds, TextBounds } from './filter.ast.js';
export { isFilterParameter, parseFilterQuery } from './filter.query.js';
export { fieldFault, isFilterField } from './filter.field.js';

/** Filters within filters. Whoever walks the tree recurses, so it is bounded before anyone does. */
export const filterDepthMax = 8;

/**
 * A filter from its JSON form.
 *
 * @throws ServiceError `invalid-filter` with the path of the offending node, as `$or[1].type`.
 */
export function parseFilter(json: unknown): Filter {
  return canonical(parse(json, '', 1, new Budget()));
}

function parse(json: unknown, path: string, depth: number, budget: Budget): FilterNode {
  if (depth > filterDepthMax) {
    refuse(path, `is nested deeper than ${String(filterDepthMax)} filters`);
  }
  const inner = (member: unknown, at: string): FilterNode => parse(member, at, depth + 1, budget);
  if (Array.isArray(json)) {
    return anyOf(listed(json, path, inner));
  }
  if (!isObject(json)) {
    refuse(path, 'must be an object of fields, or a list of such objects');
  }
  return allOf(
    Object.entries(json).map(([name, operand]) => {
      const at = path === '' ? name : `${path}.${name}`;
      switch (name) {
        case '$and':
          return allOf(listed(operand, at, inner));
        case '$or':
          return anyOf(listed(operand, at, inner));
        case '$not':
          return not(inner(operand, at));
        case '$text':
          return textCondition(operand, at, budget);
        default:
          return name.startsWith('$')
            ? refuse(at, 'is not known; there are $and, $or, $not and $text')
            : condition(name, operand, at, budget);
      }
    }),
  );
}
