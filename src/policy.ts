import { ServiceError } from './errors.js';
import {
  BUILT_IN,
  DUTIES,
  highest,
  NO_GRANTS,
  type Grants,
  type Role,
  type RoleRules,
} from './policy.roles.js';
import { forMe, ownOf, type Addressee } from './policy.target.js';
import { EVERYTHING, type Filter } from './queries/filter.js';

/** What a key says of its holder, as long as it counts. */
export interface KeyGrant {
  readonly id: string;
  readonly workspace: string;
  /** The name of a role there. */
  readonly role: string;
  /** It was revoked, or its workspace deleted. */
  readonly isRevoked: boolean;
}

/** Who is calling, as far as the service knows. */
export interface Caller extends Addressee {
  readonly superadmin: boolean;
  /** Names of roles by workspace, as who knows the caller says. */
  readonly workspaces?: ReadonlyMap<string, string>;
  readonly key?: KeyGrant;
  /** When the credential stops counting, in epoch milliseconds. */
  readonly expiresAt?: number;
}

/** Whoever came without a credential. */
export const ANONYMOUS: Caller = { superadmin: false };

/** The service itself, and everybody where no authentication is configured. */
export const SUPERADMIN_CALLER: Caller = { superadmin: true };

const SUPERADMIN: Role = { read: EVERYTHING, emit: EVERYTHING, manage: new Set(DUTIES) };
const READER: Role = { read: EVERYTHING, emit: undefined, manage: new Set() };
const NONE: Role = { read: undefined, emit: undefined, manage: new Set() };

/** The workspace of the service's own events. */
export const SYSTEM_WORKSPACE = '_system';

/** Whether a workspace is the service's own: it alone emits there. */
export function isReserved(workspace: string): boolean {
  return workspace.startsWith('_');
}

interface Worked {
  readonly grants: Grants;
  readonly role: Role;
}

/**
 * Roles that were worked out, by caller and workspace: a caller comes with every request, and equal
 * filters that are one object are compiled once. Of workspaces that grant nothing none is kept, so
 * a caller who asks for many names fills no memory.
 */
const worked = new WeakMap<Caller, Map<string, Worked>>();

/** The role of a caller in a workspace: none, unless something grants one. */
export function roleOf(caller: Caller, workspace: string, grants: Grants = NO_GRANTS): Role {
  if (isReserved(workspace)) {
    return caller.superadmin ? READER : NONE;
  }
  if (caller.superadmin) {
    return SUPERADMIN;
  }
  if (caller.key?.isRevoked === true) {
    return NONE;
  }
  const known = worked.get(caller)?.get(workspace);
  if (known?.grants === grants) {
    return known.role;
  }
  const role = workOut(caller, workspace, grants);
  if (role !== NONE) {
    const byWorkspace = worked.get(caller) ?? new Map<string, Worked>();
    worked.set(caller, byWorkspace.set(workspace, { grants, role }));
  }
  return role;
}

function workOut(caller: Caller, workspace: string, grants: Grants): Role {
  const { userId, key, workspaces } = caller;
  const names = [
    workspaces?.get(workspace),
    userId === undefined ? undefined : grants.members.get(userId),
    key?.workspace === workspace ? key.role : undefined,
  ].filter((name) => name !== undefined);
  const rules = [...new Set(names)]
    .map((name) => rulesOf(name, grants))
    .filter((found) => found !== undefined);
  const { read, emit, manage } = highest(rules, ownOf(caller));
  if (!read && !emit && manage.size === 0) {
    return NONE;
  }
  const isAll = read === undefined || isEverything(read);
  return { read: isAll ? read : forMe(read, caller), emit, manage };
}

/** The rules behind the name of a role; `undefined` where the workspace has none of that name. */
export function rulesOf(name: string, { roles }: Grants): RoleRules | undefined {
  return BUILT_IN.get(name) ?? roles.get(name);
}

/** Whether a filter lets everything through. */
function isEverything(filter: Filter): boolean {
  return filter.root.op === 'all';
}

/** Whether a role allows all there is to allow, so that who holds it may give any other away. */
export function isOwner({ read, emit, manage }: Role): boolean {
  const allows = (filter: Filter | undefined): boolean =>
    filter !== undefined && isEverything(filter);
  return allows(read) && allows(emit) && manage.size === DUTIES.length;
}

/** @throws ServiceError `forbidden` unless the caller may do everything. */
export function assertSuperadmin(caller: Caller): void {
  if (!caller.superadmin) {
    throw new ServiceError('forbidden', 'Only a superadmin may do this.');
  }
}

/**
 * For what goes on longer than the request that brought the credential.
 *
 * @throws ServiceError `unauthorized` where it counts no more.
 */
export function assertCurrent({ key, expiresAt = Infinity }: Caller): void {
  if (key?.isRevoked === true) {
    throw revoked();
  }
  if (expiresAt <= Date.now()) {
    throw expired();
  }
}

export function revoked(): ServiceError {
  return new ServiceError('unauthorized', 'The API key was revoked. Ask for another one.');
}

export function expired(): ServiceError {
  return new ServiceError('unauthorized', 'The credential has expired. Come with a new one.');
}
