/** Roles are data: what one lets its holder read and emit, in the filter language, and manage. */
import { ServiceError } from './errors.js';
import { EVERYTHING, or, parseFilter, type Filter } from './queries/filter.js';

/** What a role may let its holder do with the workspace itself. */
export const DUTIES = ['configure', 'delete', 'keys', 'audit'] as const;
export type Duty = (typeof DUTIES)[number];

/** A role before it is known who holds it. `undefined`: nothing. */
export interface RoleRules extends Omit<Role, 'read'> {
  /** `own`: what the caller has emitted, and what is targeted at the caller. */
  readonly read: Filter | 'own' | undefined;
}

/** What a caller may do in one workspace, in the filter language. `undefined`: nothing. */
export interface Role {
  readonly read: Filter | undefined;
  readonly emit: Filter | undefined;
  readonly manage: ReadonlySet<Duty>;
}

/** A role as a workspace’s configuration defines it. `schemas/openapi.yaml` holds its schema. */
export interface RoleJson {
  read?: unknown;
  emit?: unknown;
  manage?: Duty[];
}

const NOTHING: ReadonlySet<Duty> = new Set();

/** The names that mean the same in every workspace. */
export const BUILT_IN: ReadonlyMap<string, RoleRules> = new Map([
  ['owner', { read: EVERYTHING, emit: EVERYTHING, manage: new Set(DUTIES) }],
  ['editor', { read: EVERYTHING, emit: EVERYTHING, manage: NOTHING }],
  ['member', { read: 'own', emit: EVERYTHING, manage: NOTHING }],
  ['none', { read: undefined, emit: undefined, manage: NOTHING }],
]);

/** What a workspace itself says about who may do what. */
export interface Grants {
  readonly roles: ReadonlyMap<string, RoleRules>;
  /** Names of roles, by the ids of users. */
  readonly members: ReadonlyMap<string, string>;
}

export interface GrantsJson {
  roles?: Record<string, RoleJson>;
  members?: Record<string, string>;
}

export const NO_GRANTS: Grants = { roles: new Map(), members: new Map() };

/**
 * Reads what a workspace grants.
 *
 * @throws ServiceError `invalid-filter` with the place, as `roles.clerk.read.type`, and
 *   `invalid-body` for a member whose role there is not.
 */
export function parseGrants({ roles = {}, members = {} }: GrantsJson): Grants {
  const parsed = new Map(
    Object.entries(roles).map(([name, json]) => [name, parseRole(json, `roles.${name}`)]),
  );
  const stray = Object.entries(members).find(
    ([, name]) => !BUILT_IN.has(name) && !parsed.has(name),
  );
  if (stray) {
    const path = `members.${stray[0]}`.slice(0, PATH_SHOWN_MAX);
    const known = [...BUILT_IN.keys(), ...parsed.keys()].slice(0, ROLES_SHOWN_MAX).join(', ');
    const message = `must be a role: ${known}`;
    throw new ServiceError('invalid-body', `${path} ${message}.`, { errors: [{ path, message }] });
  }
  return { roles: parsed, members: new Map(Object.entries(members)) };
}

/** Names can be as long as they may be, and many; an answer that tells of one need not be. */
const PATH_SHOWN_MAX = 256;
const ROLES_SHOWN_MAX = 20;

function parseRole({ read, emit, manage = [] }: RoleJson, path: string): RoleRules {
  return {
    read: parseRule(read, `${path}.read`),
    emit: parseRule(emit, `${path}.emit`),
    manage: new Set(manage),
  };
}

function parseRule(json: unknown, path: string): Filter | undefined {
  if (json === undefined) {
    return undefined;
  }
  try {
    return json === true ? EVERYTHING : parseFilter(json);
  } catch (error) {
    const { code, message, errors = [] } = error as ServiceError;
    const places = errors.map((fault) => ({
      path: fault.path === '' ? path : `${path}.${fault.path}`,
      message: fault.message,
    }));
    throw new ServiceError(code, `${path}: ${message}`, { errors: places, cause: error });
  }
}

/**
 * The higher of several roles: what any of them allows. So it is above each of them, also where
 * none is above the other.
 */
export function highest(rules: readonly RoleRules[], own: Filter | undefined): Role {
  const reads = rules.map(({ read }) => (read === 'own' ? own : read));
  return {
    read: any(reads),
    emit: any(rules.map(({ emit }) => emit)),
    manage: new Set(rules.flatMap(({ manage }) => [...manage])),
  };
}

function any(filters: readonly (Filter | undefined)[]): Filter | undefined {
  const some = filters.filter((filter) => filter !== undefined);
  return some.length > 1 ? or(...some) : some[0];
}
