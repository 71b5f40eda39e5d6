import { ServiceError } from './errors.js';
import { EVERYTHING, type Filter } from './queries/filter.js';

/** Who is calling, as far as the service knows. */
export interface Caller {
  readonly userId?: string;
  readonly sessionId?: string;
  readonly superadmin: boolean;
}

/** What a caller may do in one workspace, in the filter language. `undefined`: nothing. */
export interface Role {
  readonly read: Filter | undefined;
  readonly emit: Filter | undefined;
  readonly manage: boolean;
}

const SUPERADMIN: Role = { read: EVERYTHING, emit: EVERYTHING, manage: true };
const READER: Role = { read: EVERYTHING, emit: undefined, manage: false };
const NONE: Role = { read: undefined, emit: undefined, manage: false };

/** The workspace of the service's own events. */
export const SYSTEM_WORKSPACE = '_system';

/** Whether a workspace is the service's own: it alone emits there. */
export function isReserved(workspace: string): boolean {
  return workspace.startsWith('_');
}

/** The role of a caller in a workspace: none, unless something grants one. */
export function roleOf(caller: Caller, workspace: string): Role {
  if (!caller.superadmin) {
    return NONE;
  }
  return isReserved(workspace) ? READER : SUPERADMIN;
}

/** @throws ServiceError `forbidden` unless the caller may do everything. */
export function assertSuperadmin(caller: Caller): void {
  if (!caller.superadmin) {
    throw new ServiceError('forbidden', 'Only a superadmin may do this.');
  }
}

/** @throws ServiceError `forbidden` unless the caller may change the workspace itself. */
export function assertManages(caller: Caller, workspace: string): void {
  if (!roleOf(caller, workspace).manage) {
    throw new ServiceError('forbidden', `You may not change the workspace ${workspace}.`);
  }
}
