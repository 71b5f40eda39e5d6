import type { Context as KoaContext } from 'koa';
import { assertManages, assertSuperadmin, isReserved, type Caller } from '../policy.js';
import type { Call } from './call.js';

export async function startRebuild(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  assertMayRebuild(context.caller, workspace);
  ctx.body = await service.rebuilds.start(workspace, context);
  ctx.status = 202;
}

export async function getRebuild(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  assertMayRebuild(context.caller, workspace);
  ctx.body = await service.rebuilds.state(workspace);
}

export async function cancelRebuild(
  ctx: KoaContext,
  { service, context, workspace }: Call,
): Promise<void> {
  assertMayRebuild(context.caller, workspace);
  ctx.body = await service.rebuilds.cancel(workspace, context);
}

/** The workspace of the service itself has a history too, which nobody owns. */
function assertMayRebuild(caller: Caller, workspace: string): void {
  if (isReserved(workspace)) {
    assertSuperadmin(caller);
  } else {
    assertManages(caller, workspace);
  }
}
