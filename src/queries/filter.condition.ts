/** What has to hold of one field, in each of its spellings. */
import { searchWords } from '../projections/document.js';
import { allOf, anyOf, list, not, type FilterNode } from './filter.ast.js';
import {
  checkField,
  equal,
  exists,
  isBound,
  isText,
  prefix,
  range,
  refuse,
  suffix,
  textOf,
} from './filter.field.js';

/** Each of them is evaluated for each event of a live workspace. */
export const conditionsMax = 64;

/** Each value is a term in a query of the store. */
export const listValuesMax = 100;

/** Counts the conditions of one filter. */
export class Budget {
  #left = conditionsMax;

  spend(path: string): void {
    if (this.#left === 0) {
      refuse(path, `is a condition too many; ${String(conditionsMax)} are allowed`);
    }
    this.#left--;
  }
}

/** Parses the members of a list, which has some, but not too many. */
export function listed<T>(
  json: unknown,
  path: string,
  parse: (member: unknown, path: string) => T,
): T[] {
  if (!Array.isArray(json)) {
    refuse(path, 'must be a list');
  }
  if (json.length === 0) {
    refuse(path, 'is an empty list, which says nothing');
  }
  if (json.length > listValuesMax) {
    refuse(path, `lists ${String(json.length)} values; ${String(listValuesMax)} are allowed`);
  }
  return json.map((member: unknown, index) => parse(member, `${path}[${String(index)}]`));
}

export function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** A value, a pattern, null, a list of those, or operators. */
export function condition(field: string, json: unknown, path: string, budget: Budget): FilterNode {
  checkField(field, path);
  budget.spend(path);
  if (Array.isArray(json)) {
    return anyOf(listed(json, path, (member, at) => short(field, member, at)));
  }
  return isObject(json) ? operators(field, json, path) : short(field, json, path);
}

/** Every word of it, somewhere in the payload; each word is a condition. */
export function textCondition(json: unknown, path: string, budget: Budget): FilterNode {
  const found = searchWords(textOf(json, path));
  if (found.length === 0) {
    refuse(path, 'has no word to look for');
  }
  return allOf(
    found.map(({ word, prefix: isPrefix }) => {
      budget.spend(path);
      return { op: 'text', word, prefix: isPrefix };
    }),
  );
}

/** A value as it stands in a condition or its list, where a star makes a pattern. */
function short(field: string, json: unknown, path: string): FilterNode {
  if (typeof json === 'object' && json !== null) {
    refuse(path, 'must be a value, a pattern or null; combine other conditions by $or');
  }
  if (json === null) {
    return not(exists(field));
  }
  return typeof json === 'string' && isText(field)
    ? pattern(field, textOf(json, path), path)
    : equal(field, json, path);
}

function pattern(field: string, written: string, path: string): FilterNode {
  const stars: number[] = [];
  let meant = '';
  // A backslash escapes a star or a backslash; before anything else it stands for itself.
  for (const [token] of written.matchAll(/\\[*\\]|[^]/g)) {
    if (token === '*') {
      stars.push(meant.length);
    } else {
      meant += token.slice(-1);
    }
  }
  if (stars.length === 0) {
    return list(field, [meant]);
  }
  if (stars.length === 1 && stars[0] === meant.length) {
    return prefix(field, meant, path);
  }
  if (stars.length === 1 && stars[0] === 0) {
    return suffix(field, meant, path);
  }
  return refuse(
    path,
    String.raw`may have one star, at its start or at its end; write \* for a literal star, ` +
      'and ask for words inside a text by $text',
  );
}

function operators(
  field: string,
  json: Readonly<Record<string, unknown>>,
  path: string,
): FilterNode {
  const nodes = Object.entries(json)
    .filter(([operator]) => !isBound(operator))
    .map(([operator, operand]) => operation(field, operator, operand, `${path}.${operator}`));
  const within = range(field, json, path);
  if (within) {
    nodes.push(within);
  }
  if (nodes.length === 0) {
    refuse(path, `has no operator; ${operatorNames}`);
  }
  return allOf(nodes);
}

const operatorNames = 'operators are eq, ne, in, gt, gte, lt, lte, prefix, suffix and exists';

function operation(field: string, operator: string, operand: unknown, path: string): FilterNode {
  switch (operator) {
    case 'eq':
      return equalOrAbsent(field, operand, path);
    case 'ne':
      return not(equalOrAbsent(field, operand, path));
    case 'in':
      return anyOf(listed(operand, path, (value, at) => equal(field, value, at)));
    case 'prefix':
      return prefix(field, operand, path);
    case 'suffix':
      return suffix(field, operand, path);
    case 'exists':
      if (typeof operand !== 'boolean') {
        refuse(path, 'must be true or false');
      }
      return operand ? exists(field) : not(exists(field));
    default:
      return refuse(path, `is not an operator; ${operatorNames}`);
  }
}

function equalOrAbsent(field: string, json: unknown, path: string): FilterNode {
  return json === null ? not(exists(field)) : equal(field, json, path);
}
