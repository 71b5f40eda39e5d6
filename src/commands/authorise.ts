import { ServiceError } from '../errors.js';
import { Recorded, BEFORE_FIRST, type Event } from '../event.js';
import type { Role } from '../policy.roles.js';
import { compile } from '../queries/filter.predicate.js';
import type { Filter } from '../queries/filter.js';

/** @throws ServiceError `forbidden` unless the role may emit into the workspace at all. */
export function assertEmits(role: Role, workspace: string): Filter {
  if (!role.emit) {
    throw new ServiceError('forbidden', `You may not emit into the workspace ${workspace}.`);
  }
  return role.emit;
}

/** @throws ServiceError `forbidden` when the event is not one that the role may emit. */
export function authorise(allowed: Filter, event: Event): void {
  if (allowed.root.op === 'all') {
    return;
  }
  if (!compile(allowed)(new Recorded(BEFORE_FIRST, Buffer.alloc(0), event))) {
    throw new ServiceError('forbidden', `Your role may not emit this event of type ${event.type}.`);
  }
}
