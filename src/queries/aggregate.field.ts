/** What can be asked of the values at a field in an aggregation. */
import { ServiceError } from '../errors.js';
import { fieldFault } from './filter.js';

/** What there are texts at, that several events can have. */
export function checkTexts(field: string, path: string): void {
  checkField(field, path);
  switch (field) {
    case 'id':
      return refuse(path, 'is id, of which every event has its own; count the events');
    case 'position':
      return refuse(path, 'is position, of which every event has its own; count the events');
    case 'payload':
      return refuse(path, 'is payload, an object; name a path in it, such as payload.city');
    case 'time':
    case 'createdAt':
      return refuse(path, `is ${field}, a time; group by {"field":"${field}","interval":"1d"}`);
  }
}

export function isTime(field: string): boolean {
  return field === 'time' || field === 'createdAt';
}

/** What there are numbers at, to compute with. */
export function checkNumbers(field: string, path: string): void {
  if (field === 'bytes') {
    return;
  }
  checkField(field, path);
  if (!/^(payload|source|target)\./.test(field)) {
    refuse(path, `is ${field}, of which there are no numbers to compute with`);
  }
}

function checkField(field: string, path: string): void {
  const fault = fieldFault(field);
  if (fault !== undefined) {
    refuse(path, fault);
  }
}

/** @throws ServiceError `invalid-request`, always. */
export function refuse(path: string, message: string): never {
  throw new ServiceError('invalid-request', `${path} ${message}.`, { errors: [{ path, message }] });
}
