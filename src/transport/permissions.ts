import { MissingCredential, ServiceError } from '../errors.js';
import { ANONYMOUS, roleOf, type Caller } from '../policy.js';
import type { Duty, Grants, Role } from '../policy.roles.js';

/**
 * What an operation needs: `anybody`, a `known` caller, a `superadmin`, or of the caller’s role
 * in the workspace that it reads or emits anything at all, or has a duty.
 */
export type Permission = 'anybody' | 'known' | 'superadmin' | 'read' | 'emit' | 'rebuild' | Duty;

/** By operation of `schemas/openapi.yaml`. A node does not start where one is not here. */
export const NEEDS: Readonly<Record<string, Permission>> = {
  listWorkspaces: 'known',
  getWorkspace: 'configure',
  putWorkspace: 'configure',
  deleteWorkspace: 'delete',
  restoreWorkspace: 'delete',
  startRebuild: 'rebuild',
  getRebuild: 'rebuild',
  cancelRebuild: 'rebuild',
  listKeys: 'keys',
  createKey: 'keys',
  revokeKey: 'keys',
  getAudit: 'audit',
  emitEvents: 'emit',
  readEvents: 'read',
  getEvent: 'read',
  searchEvents: 'read',
  getUsage: 'read',
  searchAll: 'superadmin',
  getUsageOfAll: 'superadmin',
  healthcheck: 'anybody',
  readiness: 'anybody',
  metrics: 'superadmin',
  getLogging: 'superadmin',
  putLogging: 'superadmin',
  heapdump: 'superadmin',
  listTails: 'superadmin',
  listDeadLetters: 'superadmin',
  replayDeadLetters: 'superadmin',
  cleanUp: 'superadmin',
};

/** A caller in a workspace, where the operation has one. */
export interface Asking {
  readonly caller: Caller;
  readonly workspace: string;
  readonly grants: Grants | undefined;
}

/** @throws ServiceError `unauthorized` for who has not said who they are, where that is needed. */
export function assertKnown(permission: Permission, caller: Caller): void {
  if (permission !== 'anybody' && caller === ANONYMOUS) {
    throw new MissingCredential();
  }
}

/** @throws ServiceError `forbidden`, which does not tell whether the workspace exists. */
export function assertMay(permission: Permission, { caller, workspace, grants }: Asking): void {
  if (!isAllowed(permission, caller, roleOf(caller, workspace, grants))) {
    throw new ServiceError('forbidden', refusalOf(permission, workspace));
  }
}

function isAllowed(permission: Permission, caller: Caller, role: Role): boolean {
  switch (permission) {
    case 'anybody':
    case 'known':
      return true;
    case 'superadmin':
      return caller.superadmin;
    case 'read':
      return role.read !== undefined;
    case 'emit':
      return role.emit !== undefined;
    case 'rebuild':
      // The workspace of the service itself has a history too, which nobody owns.
      return caller.superadmin || role.manage.has('configure');
    default:
      return role.manage.has(permission);
  }
}

function refusalOf(permission: Permission, workspace: string): string {
  switch (permission) {
    case 'superadmin':
      return 'Only a superadmin may do this.';
    case 'read':
      return `You may not read the workspace ${workspace}.`;
    case 'emit':
      return `You may not emit into the workspace ${workspace}.`;
    case 'keys':
      return `You may not manage the keys of the workspace ${workspace}.`;
    case 'audit':
      return `You may not audit the workspace ${workspace}.`;
    default:
      return `You may not change the workspace ${workspace}.`;
  }
}
