import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Context as KoaContext } from 'koa';
import { assertSuperadmin } from '../policy.js';
import { cleanup, type Failure, type Progress, type Total } from '../projections/cleanup.js';
import type { Call } from './call.js';
import { LINES_TYPE } from './parameters.js';
import { itemError } from './respond.js';

/**
 * Cleans up while somebody listens: a line for each workspace, with more of them while one takes
 * long, and the total as the last. Without that it did not come to its end.
 */
export async function cleanUp(ctx: KoaContext, call: Call): Promise<void> {
  const { service, context, query, draining } = call;
  const left = call.left();
  assertSuperadmin(context.caller);
  const { workspace, dryRun = false } = query as { workspace?: string; dryRun?: boolean };
  if (workspace !== undefined && !isDeleted(workspace, call)) {
    await service.workspaces.require(workspace);
  }
  const { log, store, deadLetters, workspaces } = service;
  const lines = cleanup({
    log,
    store,
    deadLetters,
    workspaces,
    only: workspace,
    dryRun,
    signal: AbortSignal.any([left, draining]),
    context,
  });
  // From here on the response is written line by line, beside Koa.
  ctx.respond = false;
  const { res } = ctx;
  res.writeHead(200, {
    'Content-Type': `${LINES_TYPE}; charset=utf-8`,
    'Cache-Control': 'no-store',
  });
  const text = async function* (): AsyncGenerator<string> {
    for await (const line of lines) {
      yield `${JSON.stringify(shown(line, call))}\n`;
    }
  };
  // No more is done than somebody takes note of.
  await pipeline(Readable.from(text(), { highWaterMark: 1 }), res).catch((error: unknown) => {
    if (!left.aborted) {
      throw error;
    }
  });
}

/** One that is deleted is cleaned up as well, if its grace is over. */
function isDeleted(id: string, { service }: Call): boolean {
  return service.workspaces.deleted().some(({ workspace }) => workspace.id === id);
}

function shown(
  line: Progress | Failure | Total,
  { service, context }: Call,
): Record<string, unknown> {
  if ('error' in line) {
    const { of, error } = line;
    const told = itemError(service.reporter.toldAs(error, context, of.id));
    return { workspace: of.id, epoch: of.epoch, error: told };
  }
  if ('of' in line) {
    const { of, log, history, purge, done } = line;
    const { id: workspace, epoch } = of;
    return { workspace, epoch, log, history, ...(purge && { purge }), ...(done && { done }) };
  }
  return { total: line };
}
