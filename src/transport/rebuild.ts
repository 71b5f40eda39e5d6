import type { Context as KoaContext } from 'koa';
import type { Call } from './call.js';

export async function startRebuild(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  ctx.body = await service.rebuilds.start(workspace, context);
  ctx.status = 202;
}

export async function getRebuild(ctx: KoaContext, { service, workspace }: Call): Promise<void> {
  ctx.body = await service.rebuilds.state(workspace);
}

export async function cancelRebuild(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  ctx.body = await service.rebuilds.cancel(workspace, context);
}
