import type { Context as KoaContext } from 'koa';
import type { Deletion } from '../commands/deletions.js';
import { msOf } from '../retention.js';
import type { Workspace, WorkspaceConfig } from '../commands/workspaces.js';
import { assertManages, isReserved, roleOf } from '../policy.js';
import { jsonBody } from './body.js';
import type { Call } from './call.js';

export function listWorkspaces(ctx: KoaContext, { service, context, query }: Call): void {
  const { workspaces } = service;
  const manages = ({ id }: Workspace): boolean =>
    !isReserved(id) && roleOf(context.caller, id).manage;
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

export async function getWorkspace(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  assertManages(context.caller, workspace);
  ctx.body = shown(await service.workspaces.require(workspace));
}

export async function putWorkspace(
  ctx: KoaContext,
  { service, context, workspace, check }: Call,
): Promise<void> {
  assertManages(context.caller, workspace);
  const config = await jsonBody(ctx.req, service.config.bodyBytesMax);
  check(config);
  ctx.status = service.workspaces.get(workspace) ? 200 : 201;
  ctx.body = shown(await service.workspaces.put(workspace, config as WorkspaceConfig, context));
}

export async function deleteWorkspace(
  ctx: KoaContext,
  { service, context, workspace, query }: Call,
): Promise<void> {
  assertManages(context.caller, workspace);
  const { grace = service.config.deleteGraceHours } = query as { grace?: number };
  await service.workspaces.delete(workspace, context, msOf(grace));
  ctx.status = 204;
}

export async function restoreWorkspace(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  assertManages(context.caller, workspace);
  ctx.body = shown(await service.workspaces.restore(workspace, context));
}

function shownDeleted({ workspace, deletedAt, purgeAt }: Deletion): Record<string, unknown> {
  return { ...shown(workspace), deletedAt, purgeAt };
}

function shown({ id, epoch, createdAt, config }: Workspace): Record<string, unknown> {
  return { id, epoch, createdAt, config };
}
