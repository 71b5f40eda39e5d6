/**
 * Fields, and what can be asked of the values at one. Texts are compared as text; `time` and
 * `createdAt` as times, `position` as a number, and of those there is no part of a text to ask for.
 */
import { ServiceError } from '../errors.js';
import { instant } from '../instant.js';
import { pathLengthMax } from '../projections/document.js';
import { allOf, list, type Bounds, type FilterNode } from './filter.ast.js';

/** Longer texts are content, not something to look events up by. In characters. */
export const valueLengthMax = 1_024;

/**
 * A key may hold dots, so every split of a path is looked for: n segments are n look-ups in an
 * object, and n²/2 keys prepared per condition.
 */
export const pathSegmentsMax = 32;

/** A name can be as long as a body; an answer that tells its fault need not be. */
const pathShownMax = 2 * pathLengthMax;

const fieldPattern =
  /^(?:id|type|workspaceId|time|createdAt|position|payload|(?:source|target|payload)\.[^]*)$/;

/** What every event has. */
const always = new Set(['id', 'type', 'workspaceId', 'time', 'createdAt', 'position', 'payload']);

/** @throws ServiceError `invalid-filter`, always. An empty path is the filter itself. */
export function refuse(place: string, message: string): never {
  const path = place.slice(0, pathShownMax);
  throw new ServiceError('invalid-filter', `${path || 'The filter'} ${message}.`, {
    errors: [{ path, message }],
  });
}

/** Whether it names something in an event that a condition can be on. */
export function isFilterField(name: string): boolean {
  return fieldPattern.test(name);
}

/** Why a name is none of a field; `undefined` where it is one. */
export function fieldFault(name: string): string | undefined {
  if (!isFilterField(name)) {
    return (
      'is not a field; fields are id, type, workspaceId, time, createdAt, position, ' +
      'source.<name>, target.<name>, payload and payload.<path>'
    );
  }
  if (name.length > pathLengthMax) {
    return `is longer than ${String(pathLengthMax)} characters`;
  }
  if (name.split('.').length > pathSegmentsMax) {
    return `has more than ${String(pathSegmentsMax)} segments`;
  }
  return halfPairs.test(name) ? halfPair : undefined;
}

export function checkField(name: string, path: string): void {
  const fault = fieldFault(name);
  if (fault !== undefined) {
    refuse(path, fault);
  }
}

/** Whether its values are compared as text, so that patterns make sense. */
export function isText(field: string): boolean {
  return !isTime(field) && field !== 'position';
}

function isTime(field: string): boolean {
  return field === 'time' || field === 'createdAt';
}

export function exists(field: string): FilterNode {
  return always.has(field) ? allOf([]) : { op: 'exists', field };
}

export function equal(field: string, json: unknown, path: string): FilterNode {
  if (isTime(field)) {
    const time = timeOf(json, path);
    return { op: 'range', field, bounds: { kind: 'time', gte: time, lte: time } };
  }
  if (field === 'position') {
    // As for any field, the text of a number is equal to it.
    const isDigits = typeof json === 'string' && /^\d{1,16}$/.test(json);
    const position = positionOf(isDigits ? Number(json) : json, path);
    return { op: 'range', field, bounds: { kind: 'number', gte: position, lte: position } };
  }
  return list(field, [scalarOf(json, path)]);
}

export function prefix(field: string, json: unknown, path: string): FilterNode {
  return { op: 'prefix', field, text: affixOf(field, json, path) };
}

export function suffix(field: string, json: unknown, path: string): FilterNode {
  const text = affixOf(field, json, path);
  return text === '' ? { op: 'prefix', field, text } : { op: 'suffix', field, text };
}

const boundNames = ['gt', 'gte', 'lt', 'lte'] as const;

/** The bounds among the operators of one condition; `undefined` when there is none. */
export function range(
  field: string,
  operators: Readonly<Record<string, unknown>>,
  path: string,
): FilterNode | undefined {
  const given = boundNames
    .filter((name) => Object.hasOwn(operators, name))
    .map((name) => [name, boundOf(field, operators[name], `${path}.${name}`)] as const);
  if (given.length === 0) {
    return undefined;
  }
  const [type, ...others] = new Set(given.map(([, bound]) => typeof bound));
  if (others.length > 0) {
    refuse(path, 'mixes bounds that are numbers with bounds that are text');
  }
  const comparison = type === 'number' ? 'number' : 'text';
  const kind = isTime(field) ? 'time' : comparison;
  return { op: 'range', field, bounds: { kind, ...Object.fromEntries(given) } as Bounds };
}

export function isBound(operator: string): boolean {
  return (boundNames as readonly string[]).includes(operator);
}

/** A text that is meant as it stands. */
export function textOf(json: unknown, path: string): string {
  if (typeof json !== 'string') {
    refuse(path, 'must be a string');
  }
  if (json.length > valueLengthMax) {
    refuse(path, `is longer than ${String(valueLengthMax)} characters`);
  }
  checkUnicode(json, path);
  return json;
}

/** Half a surrogate pair has no UTF-8, so the index of a back end would hold another character. */
const halfPairs = /\p{Surrogate}/u;
const halfPair = 'has half of a surrogate pair, which is no character';

function checkUnicode(text: string, path: string): void {
  if (halfPairs.test(text)) {
    refuse(path, halfPair);
  }
}

function scalarOf(json: unknown, path: string): string {
  if (typeof json === 'boolean') {
    return String(json);
  }
  if (typeof json === 'number') {
    return String(finite(json, path));
  }
  return typeof json === 'string'
    ? textOf(json, path)
    : refuse(path, 'must be a string, a number or a boolean');
}

function affixOf(field: string, json: unknown, path: string): string {
  if (!isText(field)) {
    refuse(path, `asks for a part of ${field}, which is not text; use gte and lt`);
  }
  return textOf(json, path);
}

function boundOf(field: string, json: unknown, path: string): string | number {
  if (isTime(field)) {
    return timeOf(json, path);
  }
  if (field === 'position') {
    return positionOf(json, path);
  }
  if (typeof json === 'number') {
    return finite(json, path);
  }
  return typeof json === 'string'
    ? textOf(json, path)
    : refuse(path, 'must be a number or a string');
}

function timeOf(json: unknown, path: string): number {
  const time = typeof json === 'string' ? instant(json) : NaN;
  return Number.isNaN(time)
    ? refuse(
        path,
        'must be an RFC 3339 date-time, as 2001-01-15T08:30:00Z, or date; use gte and lt',
      )
    : time;
}

function positionOf(json: unknown, path: string): number {
  return Number.isSafeInteger(json) && (json as number) >= 0
    ? (json as number)
    : refuse(path, 'must be a position, an integer from 0');
}

/** JSON can spell a number that is none as a double: `JSON.parse('1e400')` is Infinity. */
function finite(number: number, path: string): number {
  return Number.isFinite(number) ? number : refuse(path, 'is beyond the range of a number');
}
