import type { Context as KoaContext } from 'koa';
import { ServiceError } from '../errors.js';
import { parseFilter, type Filter } from '../queries/filter.js';
import { eventById, search, type SearchRequest } from '../queries/search.js';
import type { SubscribeRequest } from '../queries/subscribe.js';
import type { Call } from './call.js';
import { jsonBody, mediaType } from './body.js';
import { emitBody, emitLines } from './emit.js';
import { exportEvents } from './export.js';
import { jsonPage, jsonPositioned } from './framing.js';
import {
  assertTaken,
  bounded,
  filterOf,
  JSON_TYPE,
  LINES_TYPE,
  MEDIA_TYPES,
  SEARCH,
  SSE_TYPE,
  startOf,
  wayOf,
  type MediaType,
  type ReadQuery,
} from './parameters.js';
import { poll } from './poll.js';
import { streamEvents } from './sse.js';

export async function emitEvents(
  ctx: KoaContext,
  { service, workspace, context, check }: Call,
): Promise<void> {
  const stream = mediaType(ctx.req) === LINES_TYPE;
  const { status, body } = stream
    ? await emitLines(ctx.req, service, workspace, context)
    : await emitBody(ctx.req, service, workspace, context, check);
  ctx.status = status;
  ctx.body = body;
}

/** One resource, read in the way that the client’s headers and parameters ask for. */
export async function readEvents(ctx: KoaContext, call: Call): Promise<void> {
  const { service, workspace } = call;
  const query = call.query as ReadQuery;
  const filter = filterOf(ctx.querystring);
  const accepted = ctx.accepts(...MEDIA_TYPES) as MediaType | false;
  if (accepted === false) {
    throw new ServiceError('not-acceptable', `Accept one of ${MEDIA_TYPES.join(', ')}.`);
  }
  const way = wayOf(query, accepted);
  assertTaken(query, way);
  if (way === SEARCH) {
    ctx.type = JSON_TYPE;
    ctx.body = await searchPage(call, { filter, ...query });
    return;
  }
  const { pace } = query;
  const request: SubscribeRequest = {
    workspace,
    filter,
    from: startOf(query, ctx.get('Last-Event-ID'), accepted),
    ...(pace !== undefined && { pace }),
  };
  if (accepted === JSON_TYPE) {
    const page = await poll(call, request, ctx.res, bounded(query, service.config));
    ctx.type = JSON_TYPE;
    ctx.body = page;
    return;
  }
  // From here on the response is written piece by piece, beside Koa.
  ctx.respond = false;
  await (accepted === SSE_TYPE
    ? streamEvents(call, request, ctx.res)
    : exportEvents(call, request, ctx.res));
}

export async function getEvent(
  ctx: KoaContext,
  { service, workspace, context }: Call,
): Promise<void> {
  const { workspaces, store } = service;
  const id = (ctx.params as { id: string }).id;
  const { epoch, record } = await eventById(workspace, id, context.caller, workspaces, store);
  ctx.type = JSON_TYPE;
  ctx.body = jsonPositioned(epoch, record);
}

export async function searchEvents(ctx: KoaContext, call: Call): Promise<void> {
  const body = await jsonBody(ctx.req, call.service.config.bodyBytesMax);
  call.check(body);
  const { filter = {}, ...asked } = body as ReadQuery & { filter?: unknown };
  ctx.type = JSON_TYPE;
  ctx.body = await searchPage(call, { ...asked, filter: parseFilter(filter) });
}

async function searchPage(
  { service, workspace, context }: Call,
  asked: ReadQuery & { filter: Filter },
): Promise<Buffer> {
  const { limit, waitMs } = bounded(asked, service.config);
  const { filter, next, waitFor } = asked;
  const request: SearchRequest = {
    workspace,
    filter,
    limit,
    waitMs,
    ...(next !== undefined && { next }),
    ...(waitFor !== undefined && { waitFor }),
  };
  const found = await search(request, context.caller, service.workspaces, service.store);
  return jsonPage(found.epoch, found.records, {
    ...(found.next !== undefined && { next: found.next }),
    cursor: found.cursor,
  });
}
