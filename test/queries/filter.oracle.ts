import type { Event, Json, JsonObject } from '../../src/event.js';

/**
 * What a filter in JSON means, word by word from `docs/filter.md`: no parsing, no compiling, no
 * speed, and nothing shared with the code that it judges. The filter must be valid.
 */
export function oracle(filter: Json, event: Event, position: number): boolean {
  if (Array.isArray(filter)) {
    return filter.some((member) => oracle(member, event, position));
  }
  return entriesOf(filter).every(([name, operand]) => {
    switch (name) {
      case '$and':
        return (operand as Json[]).every((member) => oracle(member, event, position));
      case '$or':
        return (operand as Json[]).some((member) => oracle(member, event, position));
      case '$not':
        return !oracle(operand, event, position);
      case '$text':
        return hasText(operand as string, event);
      default:
        return holds(operand, valuesAt(name, event, position), /^(time|createdAt)$/.test(name));
    }
  });
}

type Scalar = string | number | boolean;

/** Of each event that was looked at: thousands of filters look at the same ones. */
const known = new WeakMap<Event, Map<string, Json[]>>();

/** Every value at a field, objects as well. */
export function valuesAt(field: string, event: Event, position: number): Json[] {
  if (field === 'position') {
    return [position];
  }
  let values = known.get(event);
  if (!values) {
    values = new Map();
    for (const [path, value] of flatten('', event as unknown as Json)) {
      values.set(path, [...(values.get(path) ?? []), value]);
    }
    known.set(event, values);
  }
  return values.get(field) ?? [];
}

/** Every value with its path; nothing for null. */
function flatten(path: string, value: Json): [string, Json][] {
  if (Array.isArray(value)) {
    return value.flatMap((element) => flatten(path, element));
  }
  if (value === null) {
    return [];
  }
  const inner = typeof value === 'object' ? entriesOf(value) : [];
  return [
    [path, value],
    ...inner.flatMap(([key, child]) => flatten(path === '' ? key : path + '.' + key, child)),
  ];
}

function holds(condition: Json, values: Json[], isTime: boolean): boolean {
  if (Array.isArray(condition)) {
    return condition.some((member) => holds(member, values, isTime));
  }
  if (condition === null) {
    return values.length === 0;
  }
  const scalars = values.filter((value) => typeof value !== 'object') as Scalar[];
  const isEqual = (wanted: Scalar): boolean =>
    scalars.some((value) =>
      isTime ? timeOf(value) === timeOf(wanted) : String(value) === String(wanted),
    );
  if (typeof condition !== 'object') {
    return typeof condition === 'string' && !isTime
      ? scalars.some((value) => glob(condition).test(String(value)))
      : isEqual(condition);
  }
  const bounds = entriesOf(condition).filter(([name]) => /^[gl]te?$/.test(name));
  const others = entriesOf(condition).filter(([name]) => !/^[gl]te?$/.test(name));
  return (
    (bounds.length === 0 ||
      scalars.some((value) =>
        bounds.every(([name, bound]) => within(value, name, bound, isTime)),
      )) &&
    others.every(([name, operand]) => {
      switch (name) {
        case 'eq':
          return operand === null ? values.length === 0 : isEqual(operand as Scalar);
        case 'ne':
          return operand === null ? values.length > 0 : !isEqual(operand as Scalar);
        case 'in':
          return (operand as Scalar[]).some(isEqual);
        case 'prefix':
          return scalars.some((value) => String(value).startsWith(operand as string));
        case 'suffix':
          return scalars.some((value) => String(value).endsWith(operand as string));
        case 'exists':
          return operand === values.length > 0;
        default:
          throw new Error(`no such operator: ${name}`);
      }
    })
  );
}

/** A pattern as the regular expression that it stands for. */
function glob(pattern: string): RegExp {
  const source = pattern.replace(/\\([*\\])|\*|[^]/g, (token, escaped: string | undefined) =>
    token === '*' ? '[^]*' : '\\u' + hex(escaped ?? token),
  );
  return new RegExp(`^${source}$`);
}

function hex(unit: string): string {
  return unit.charCodeAt(0).toString(16).padStart(4, '0');
}

function within(value: Scalar, name: string, bound: Json, isTime: boolean): boolean {
  const difference = isTime ? timeOf(value) - timeOf(bound) : compare(value, bound as Scalar);
  switch (name) {
    case 'gt':
      return difference > 0;
    case 'gte':
      return difference >= 0;
    case 'lt':
      return difference < 0;
    default:
      return difference <= 0;
  }
}

/** Negative, zero or positive; NaN, of which no bound is true, when they cannot be compared. */
function compare(value: Scalar, bound: Scalar): number {
  if (typeof value === 'number' && typeof bound === 'number') {
    return value - bound;
  }
  return typeof value === 'string' && typeof bound === 'string'
    ? Buffer.from(value).compare(Buffer.from(bound))
    : NaN;
}

function timeOf(time: Json): number {
  return new Date(time as string).getTime();
}

/** Text is chunks of word characters; in what is searched, a star may follow a chunk. */
function hasText(searched: string, event: Event): boolean {
  const words = flatten('payload', event.payload)
    .map(([, value]) => value)
    .filter((value) => typeof value === 'string')
    .flatMap((text) => chunks(text))
    .map(({ word }) => word);
  return chunks(searched).every(({ word, star }) =>
    words.some((candidate) => (star ? candidate.startsWith(word) : candidate === word)),
  );
}

function chunks(text: string): { word: string; star: boolean }[] {
  const found: { word: string; star: boolean }[] = [];
  let current: string[] = [];
  for (const character of text.normalize('NFKC').toLowerCase() + ' ') {
    if (/\p{L}|\p{M}|\p{N}/u.test(character)) {
      current.push(character);
    } else if (current.length > 0) {
      found.push({ word: current.slice(0, 64).join(''), star: character === '*' });
      current = [];
    }
  }
  return found;
}

function entriesOf(object: Json): [string, Json][] {
  return Object.entries(object as JsonObject);
}
