import { ServiceError } from '../errors.js';
import type { Json, JsonObject, Recorded } from '../event.js';
import { fieldFault } from './filter.js';
import { valuesAt } from './filter.predicate.js';

/** Each is looked for in each event. */
const fieldsMax = 50;

/**
 * Checks the fields that are chosen of events.
 *
 * @param path Where they stand in the request, for the error.
 * @throws ServiceError `invalid-request`
 */
export function parseFields(fields: readonly string[], path: string): readonly string[] {
  if (fields.length === 0 || fields.length > fieldsMax) {
    refuse(path, `must name 1 to ${String(fieldsMax)} fields`);
  }
  for (const [index, field] of fields.entries()) {
    const at = `${path}[${String(index)}]`;
    const fault = fieldFault(field);
    if (fault !== undefined) {
      refuse(at, fault);
    }
    if (fields.indexOf(field) < index) {
      refuse(at, 'is there already');
    }
  }
  return fields;
}

/** Of which a filter compares another form. */
const asWritten = ['time', 'createdAt'] as const;

/**
 * Reads the chosen fields of an event: what stands at each, a list where several values do, and
 * nothing where none does.
 */
export function chosen(fields: readonly string[]): (record: Recorded) => JsonObject {
  const readers = fields.map((field) => [field, readerOf(field)] as const);
  return (record) => {
    const found: Record<string, Json> = {};
    for (const [field, values] of readers) {
      const [value, ...others] = values(record);
      if (value !== undefined) {
        found[field] = others.length > 0 ? [value, ...others] : value;
      }
    }
    return found;
  };
}

function readerOf(field: string): (record: Recorded) => Json[] {
  const written = asWritten.find((name) => name === field);
  return written === undefined ? valuesAt(field) : ({ event }) => [event[written]];
}

function refuse(path: string, message: string): never {
  throw new ServiceError('invalid-request', `${path} ${message}.`, { errors: [{ path, message }] });
}
