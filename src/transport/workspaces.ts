import type { Context as KoaContext } from 'koa';
import type { Workspace, WorkspaceConfig } from '../commands/workspaces.js';
import { assertManages, isReserved, roleOf } from '../policy.js';
import { jsonBody } from './body.js';
import type { Call } from './call.js';

export function listWorkspaces(ctx: KoaContext, { service, context }: Call): void {
  const managed = service.workspaces
    .list()
    .filter(({ id }) => !isReserved(id) && roleOf(context.caller, id).manage);
  ctx.body = { workspaces: managed.map(shown) };
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
  { service, context, workspace }: Call,
): Promise<void> {
  assertManages(context.caller, workspace);
  await service.workspaces.delete(workspace, context);
  ctx.status = 204;
}

function shown({ id, epoch, createdAt, config }: Workspace): Record<string, unknown> {
  return { id, epoch, createdAt, config };
}
