import { KEY_USER } from '../commands/keyring.js';
import { ServiceError } from '../errors.js';
import type { Caller } from '../policy.js';

/** As the names in a target and in `schemas/openapi.yaml`. */
const NAME = /^[^\p{Cc}]{1,256}$/u;

/** What is said of a caller by who knows them. */
export interface Claims {
  readonly userId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly superadmin?: boolean | undefined;
  readonly workspaces?: Iterable<readonly [workspace: string, role: string]> | undefined;
  readonly topics?: readonly string[] | undefined;
}

/** A caller as described, with nothing that is absent. */
export function claimed({ userId, sessionId, superadmin, workspaces, topics }: Claims): Caller {
  return {
    superadmin: superadmin === true,
    ...(userId !== undefined && { userId }),
    ...(sessionId !== undefined && { sessionId }),
    ...(workspaces && { workspaces: new Map(workspaces) }),
    ...(topics && { topics }),
  };
}

/**
 * The caller that the claims of a token describe.
 *
 * @throws ServiceError `unauthorized` naming a claim that cannot be taken: who reads it otherwise
 *   than who wrote it would let in somebody else.
 */
export function callerOf(claims: Record<string, unknown>): Caller {
  const { sub, sid, superadmin, workspaces, topics } = claims;
  return claimed({
    userId: optional('sub', 'a name of 1 to 256 characters, not of a key', sub, isUser),
    sessionId: optional('sid', 'a name of 1 to 256 characters', sid, isName),
    superadmin: optional('superadmin', 'true or false', superadmin, isBoolean),
    workspaces: Object.entries(
      optional('workspaces', 'an object of names of roles', workspaces, isRoles) ?? {},
    ),
    topics: optional('topics', 'a list of names of 1 to 256 characters', topics, isNames),
  });
}

function optional<T>(
  claim: string,
  expected: string,
  value: unknown,
  is: (value: unknown) => value is T,
): T | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (!is(value)) {
    throw new ServiceError('unauthorized', `The claim ${claim} of the token must be ${expected}.`);
  }
  return value;
}

export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** The names of keys are given by the service alone. */
export function isUser(value: unknown): value is string {
  return isName(value) && !value.startsWith(KEY_USER);
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isName);
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

function isRoles(value: unknown): value is Record<string, string> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && Object.values(value).every((role) => typeof role === 'string');
}
