import type { Context as KoaContext } from 'koa';
import type { Deletion } from '../commands/deletions.js';
import { ServiceError } from '../errors.js';
import { msOf } from '../retention.js';
import type { Workspace, WorkspaceConfig } from '../commands/workspace.js';
import { isOwner, isReserved, roleOf } from '../policy.js';
import { parseGrants } from '../policy.roles.js';
import { jsonBody } from './body.js';
import type { Call } from './call.js';

export function listWorkspaces(ctx: KoaContext, { service, context, query }: Call): void {
  const { workspaces } = service;
  const manages = ({ id, grants }: Workspace): boolean =>
    !isReserved(id) && roleOf(context.caller, id, grants).manage.has('configure');
  ctx.body = {
    workspaces:
      query.deleted === true
        ? workspaces
            .deleted()
            .filter(({ workspace, purging }) => !purging && manages(workspace))
            .map(shownDeleted)
        : workspaces.list().filter(manages).map(shown),
  };
}

export async function getWorkspace(ctx: KoaContext, { service, workspace }: Call): Promise<void> {
  ctx.body = shown(await service.workspaces.require(workspace));
}

export async function putWorkspace(ctx: KoaContext, call: Call): Promise<void> {
  const { service, context, workspace, check } = call;
  const body = await jsonBody(ctx.req, service.config);
  check(body);
  const config = body as WorkspaceConfig;
  parseGrants(config);
  assertMayGrant(config, call);
  assertMayAllot(config, call);
  ctx.status = service.workspaces.get(workspace) ? 200 : 201;
  ctx.body = shown(await service.workspaces.put(workspace, config, context));
}

/** Who may change roles and members could make an owner of themselves. */
function assertMayGrant(config: WorkspaceConfig, { service, context, workspace }: Call): void {
  const known = service.workspaces.get(workspace);
  const isOwn = isOwner(roleOf(context.caller, workspace, known?.grants));
  const said = ({ roles = {}, members = {} }: WorkspaceConfig): string =>
    JSON.stringify([roles, members]);
  if (!isOwn && said(config) !== said(known?.config ?? {})) {
    const message = 'Who changes roles and members must be allowed all that they may allow.';
    throw new ServiceError('forbidden', message);
  }
}

/** The quotas of a workspace are there for the others. */
function assertMayAllot(config: WorkspaceConfig, { service, context, workspace }: Call): void {
  const said = ({ quotas = {} }: WorkspaceConfig): string => JSON.stringify(quotas);
  const known = service.workspaces.get(workspace)?.config ?? {};
  if (!context.caller.superadmin && said(config) !== said(known)) {
    throw new ServiceError('forbidden', 'quotas are as they are: only a superadmin changes them.', {
      errors: [{ path: 'quotas', message: 'must be as it is, or absent where there are none' }],
    });
  }
}

export async function deleteWorkspace(
  ctx: KoaContext,
  { service, context, workspace, query }: Call,
): Promise<void> {
  const { grace = service.config.deleteGraceHours } = query as { grace?: number };
  await service.workspaces.delete(workspace, context, msOf(grace));
  ctx.status = 204;
}

export async function restoreWorkspace(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  ctx.body = shown(await service.workspaces.restore(workspace, context));
}

function shownDeleted({ workspace, deletedAt, purgeAt }: Deletion): Record<string, unknown> {
  return { ...shown(workspace), deletedAt, purgeAt };
}

function shown({ id, epoch, createdAt, config }: Workspace): Record<string, unknown> {
  return { id, epoch, createdAt, config };
}
