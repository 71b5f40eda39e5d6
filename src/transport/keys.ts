import type { Context as KoaContext } from 'koa';
import type { Key } from '../commands/keyring.js';
import type { KeyRequest } from '../commands/keys.js';
import { ServiceError } from '../errors.js';
import { instant } from '../instant.js';
import { isOwner, roleOf, rulesOf } from '../policy.js';
import type { Grants } from '../policy.roles.js';
import { jsonBody } from './body.js';
import type { Call } from './call.js';

export async function listKeys(ctx: KoaContext, { service, workspace }: Call): Promise<void> {
  const known = await service.workspaces.require(workspace);
  ctx.body = { keys: service.keys.list(known).map(shown) };
}

export async function createKey(ctx: KoaContext, call: Call): Promise<void> {
  const { service, context, workspace, check } = call;
  const body = await jsonBody(ctx.req, service.config);
  check(body);
  const request = body as KeyRequest;
  const known = await service.workspaces.require(workspace);
  if (!isOwner(roleOf(context.caller, workspace, known.grants))) {
    const message = 'Who gives keys away must be allowed all that they may allow.';
    throw new ServiceError('forbidden', message);
  }
  assertUsable(request, known.grants);
  const { key, secret } = await service.keys.issue(known, request, context);
  // It is told once: no cache may keep it.
  ctx.set('Cache-Control', 'no-store');
  ctx.status = 201;
  ctx.body = { ...shown(key), secret };
}

export async function revokeKey(ctx: KoaContext, call: Call): Promise<void> {
  const { service, context, workspace } = call;
  const { key } = ctx.params as { key: string };
  await service.keys.revoke(await service.workspaces.require(workspace), key, context);
  ctx.status = 204;
}

/** @throws ServiceError `invalid-body` for a key that would open nothing. */
function assertUsable({ role, expiresAt }: KeyRequest, grants: Grants): void {
  if (!rulesOf(role, grants)) {
    refuse('role', 'must be a role of the workspace');
  }
  if (expiresAt !== undefined && instant(expiresAt) <= Date.now()) {
    refuse('expiresAt', 'must be in the future');
  }
}

function refuse(path: string, message: string): never {
  throw new ServiceError('invalid-body', `${path} ${message}.`, { errors: [{ path, message }] });
}

function shown({ id, role, description, createdAt, expiresAt, lastUsedAt }: Key): object {
  return {
    id,
    role,
    createdAt,
    ...(description !== undefined && { description }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(lastUsedAt !== undefined && { lastUsedAt }),
  };
}
