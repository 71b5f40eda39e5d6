/** The filter language in a query string. */
import { allOf, anyOf, canonical, type Filter, type FilterNode } from './filter.ast.js';
import { Budget, condition, listed, textCondition } from './filter.condition.js';
import { isBound, isFilterField, refuse } from './filter.field.js';

const parameter =
  /^(?:text$|(?:id|type|workspaceId|time|createdAt|position|source|target|payload)(?:\.|$))/;
const operator = /^([^]*)\.(eq|ne|in|gt|gte|lt|lte|prefix|suffix|exists)$/;
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether a parameter of a query string belongs to the filter, rightly spelt or not. */
export function isFilterParameter(name: string): boolean {
  return parameter.test(name);
}

/**
 * The filter of a query string: different parameters must all hold, of a repeated one any. All
 * parameters that are not the filter's are passed over.
 *
 * @throws ServiceError `invalid-filter`; the path is the name of the parameter.
 */
export function parseFilterQuery(params: Iterable<readonly [string, string]>): Filter {
  const values = new Map<string, string[]>();
  for (const [name, value] of params) {
    if (isFilterParameter(name)) {
      const given = values.get(name) ?? [];
      given.push(value);
      values.set(name, given);
    }
  }
  const budget = new Budget();
  const nodes: FilterNode[] = [];
  // The bounds of one field are one range: one and the same value has to be within them.
  const ranges = new Map<string, Record<string, unknown>>();
  for (const [name, given] of values) {
    const [field, operation] = split(name);
    if (name === 'text') {
      nodes.push(anyOf(listed(given, name, (value) => textCondition(value, name, budget))));
    } else if (operation === undefined) {
      nodes.push(condition(field, given.length === 1 ? given[0] : given, name, budget));
    } else if (isBound(operation)) {
      ranges.set(field, { ...ranges.get(field), [operation]: boundOf(single(given, name)) });
    } else {
      nodes.push(operated(field, operation, given, name, budget));
    }
  }
  for (const [field, bounds] of ranges) {
    nodes.push(condition(field, bounds, field, budget));
  }
  return canonical(allOf(nodes));
}

/** `payload.total.gte` is the field `payload.total` and the operator `gte`. */
function split(name: string): [field: string, operation?: string] {
  const [, field, operation] = operator.exec(name) ?? [];
  return field !== undefined && operation !== undefined && isFilterField(field)
    ? [field, operation]
    : [name];
}

function operated(
  field: string,
  operation: string,
  given: readonly string[],
  name: string,
  budget: Budget,
): FilterNode {
  switch (operation) {
    case 'in':
      return refuse(name, `is not offered here: repeat ${field}, or, for a key "in", ${name}.eq`);
    case 'ne':
      return condition(field, { ne: single(given, name) }, field, budget);
    case 'exists':
      return condition(field, { exists: booleanOf(single(given, name)) }, field, budget);
    default:
      return anyOf(
        listed(given, name, (value) => condition(field, { [operation]: value }, field, budget)),
      );
  }
}

function single(given: readonly string[], name: string): string {
  return given.length === 1 && given[0] !== undefined
    ? given[0]
    : refuse(name, 'is repeated; say it once, or send the filter as JSON');
}

function boundOf(value: string): string | number {
  return jsonNumber.test(value) ? Number(value) : value;
}

/** Anything but the two words is left for the condition to refuse. */
function booleanOf(value: string): unknown {
  return value === 'true' || value === 'false' ? value === 'true' : value;
}
