/** The filter as a query of Elasticsearch. */
import type { JsonObject } from '../event.js';
import {
  endOf,
  says,
  sortable,
  token,
  wordToken,
  type Says,
} from '../projections/tokens.elastic.js';
import type { Bounds, Filter, FilterNode, NumberBounds } from './filter.ast.js';

export interface Translation {
  readonly query: JsonObject;
  /** Finds the matches of the filter alone; if not, others as well, and the filter decides. */
  readonly exact: boolean;
}

/**
 * Lucene makes a deterministic automaton of a pattern and refuses one that takes too many steps:
 * of 1,000 equal characters it does, of 400 not. Hardly anyone asks for an end longer than this.
 */
const suffixLengthMax = 64;

export function translate(filter: Filter): Translation {
  return translated(filter.root);
}

export const EVERYTHING: JsonObject = { match_all: {} };

function translated(node: FilterNode): Translation {
  switch (node.op) {
    case 'all':
      return { query: EVERYTHING, exact: true };
    case 'and':
    case 'or': {
      const parts = node.nodes.map(translated);
      const queries = parts.map(({ query }) => query);
      const query = node.op === 'and' ? { bool: { filter: queries } } : anyOf(queries);
      return { query, exact: parts.every(({ exact }) => exact) };
    }
    case 'not': {
      const { query, exact } = translated(node.node);
      // What a query finds beyond the matches must not be missing from their opposite.
      return { query: exact ? { bool: { must_not: [query] } } : EVERYTHING, exact };
    }
    case 'text': {
      const word = wordToken(node.word);
      return { query: node.prefix ? prefixed(word) : { term: { tokens: word } }, exact: true };
    }
    case 'in': {
      const { field, values } = node;
      const kinds = [says.text, says.scalar];
      const tokens = kinds.flatMap((what) => values.map((value) => token(what, field, value)));
      return { query: { terms: { tokens } }, exact: true };
    }
    case 'range':
      return { query: range(node.field, node.bounds), exact: true };
    case 'prefix': {
      const kinds = [says.text, says.start, says.scalar];
      return {
        query: anyOf(kinds.map((what) => prefixed(token(what, node.field, node.text)))),
        exact: true,
      };
    }
    case 'suffix':
      return suffix(node.field, node.text);
    case 'exists':
      return { query: { term: { tokens: token(says.exists, node.field) } }, exact: true };
  }
}

function anyOf(should: JsonObject[]): JsonObject {
  return { bool: { should, minimum_should_match: 1 } };
}

function prefixed(value: string): JsonObject {
  return { prefix: { tokens: value } };
}

function suffix(field: string, text: string): Translation {
  const end = text.slice(-suffixLengthMax).replace(/^[\udc00-\udfff]/, '');
  const kinds = [says.text, says.end, says.scalar];
  const patterns = kinds.map((what) => `${literal(token(what, field))}*${literal(end)}`);
  return {
    query: anyOf(patterns.map((pattern) => ({ wildcard: { tokens: pattern } }))),
    exact: end === text,
  };
}

function literal(text: string): string {
  return text.replace(/[*?\\]/g, String.raw`\$&`);
}

function range(field: string, bounds: Bounds): JsonObject {
  switch (bounds.kind) {
    case 'time':
      return rangeOfField(field, bounds);
    case 'number':
      return field === 'position'
        ? rangeOfField(field, bounds)
        : rangeOfTokens(says.number, field, bounds, sortable);
    case 'text':
      return anyOf(
        [says.text, says.start].map((what) => rangeOfTokens(what, field, bounds, (text) => text)),
      );
  }
}

/** There is one value, so each bound can be asked for by itself. */
function rangeOfField(field: string, { gt, gte, lt, lte }: NumberBounds): JsonObject {
  const filter = Object.entries({ gt, gte, lt, lte })
    .filter(([, bound]) => bound !== undefined)
    .map(([name, bound]) => ({ range: { [field]: { [name]: bound! } } }));
  return { bool: { filter } };
}

/** One and the same token is within all bounds, and a query takes one on either side. */
function rangeOfTokens<T>(
  what: Says,
  field: string,
  bounds: Partial<Record<'gt' | 'gte' | 'lt' | 'lte', T>>,
  spell: (bound: T) => string,
): JsonObject {
  const at = (bound: T | undefined, unbounded: string): string =>
    bound === undefined ? unbounded : token(what, field, spell(bound));
  const [first, end] = [token(what, field), endOf(what, field)];
  const [gt, gte] = [at(bounds.gt, first), at(bounds.gte, first)];
  const [lt, lte] = [at(bounds.lt, end), at(bounds.lte, end)];
  const lower = isBefore(gt, gte) || bounds.gt === undefined ? { gte } : { gt };
  const upper = isBefore(lte, lt) ? { lte } : { lt };
  return { range: { tokens: { ...lower, ...upper } } };
}

/** In the order of terms, which is that of their bytes. */
function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
