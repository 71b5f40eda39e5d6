import { getHeapSnapshot } from 'node:v8';
import type { Context as KoaContext } from 'koa';
import type { Level } from '../config.js';
import { ServiceError } from '../errors.js';
import { logger, setLevel } from '../logger.js';
import { registry } from '../metrics.js';
import { SYSTEM_WORKSPACE } from '../policy.js';
import { formatCursor } from '../queries/cursor.js';
import { jsonBody } from './body.js';
import type { Call } from './call.js';

export async function metrics(ctx: KoaContext): Promise<void> {
  ctx.type = registry.contentType;
  ctx.body = await registry.metrics();
}

export function healthcheck(ctx: KoaContext): void {
  ctx.body = { status: 'ok' };
}

/** Ready means that an emit and a search would work now. */
export async function readiness(ctx: KoaContext, { service, draining }: Call): Promise<void> {
  if (draining.aborted) {
    throw new ServiceError('unavailable', 'The node is draining.');
  }
  try {
    const { epoch } = await service.log.bounds(SYSTEM_WORKSPACE);
    await service.store.checkpoint(service.workspaces.historyOf(SYSTEM_WORKSPACE, epoch));
  } catch (error) {
    throw new ServiceError('unavailable', 'Log or store do not answer.', { cause: error });
  }
  ctx.body = { status: 'ok' };
}

export function getLogging(ctx: KoaContext): void {
  ctx.body = { level: logger.level };
}

export async function putLogging(ctx: KoaContext, { service, check }: Call): Promise<void> {
  const body = await jsonBody(ctx.req, service.config);
  check(body);
  const { level } = body as { level: Level };
  setLevel(level);
  ctx.body = { level };
}

export function heapdump(ctx: KoaContext): void {
  ctx.type = 'application/octet-stream';
  ctx.attachment(`${new Date().toISOString().replaceAll(':', '-')}.heapsnapshot`);
  ctx.body = getHeapSnapshot();
}

export function listTails(ctx: KoaContext, { service }: Call): void {
  ctx.body = {
    tails: service.subscriptions.tails().map(({ workspace, epoch, head, fanout }) => ({
      workspace,
      head: formatCursor(epoch, head),
      live: fanout.size,
    })),
  };
}

export async function listDeadLetters(ctx: KoaContext, { service, query }: Call): Promise<void> {
  const { workspace, limit } = selection(query);
  ctx.body = { deadLetters: await service.deadLetters.list(workspace, limit) };
}

export async function replayDeadLetters(ctx: KoaContext, { service, query }: Call): Promise<void> {
  const { workspace, limit } = selection(query);
  ctx.body = await service.deadLetters.replay(workspace, limit);
}

const LETTERS = 100;

function selection(query: { workspace?: string; limit?: number }): {
  workspace: string | undefined;
  limit: number;
} {
  return { workspace: query.workspace, limit: query.limit ?? LETTERS };
}
