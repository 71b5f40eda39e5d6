import type { Context as KoaContext } from 'koa';
import type { Config } from '../config.js';
import { ServiceError } from '../errors.js';
import { instant } from '../instant.js';
import { isFilterParameter, parseFilter, parseFilterQuery } from '../queries/filter.js';
import type { Filter } from '../queries/filter.js';
import type { From } from '../queries/from.js';
import { eventById, search, type SearchRequest } from '../queries/search.js';
import type { SubscribeRequest } from '../queries/subscribe.js';
import type { Call } from './call.js';
import { jsonBody, mediaType } from './body.js';
import { emitBody, emitLines } from './emit.js';
import { exportEvents } from './export.js';
import { jsonPage, jsonPositioned } from './framing.js';
import { poll } from './poll.js';
import { streamEvents } from './sse.js';

interface ReadQuery {
  limit?: number;
  next?: string;
  waitFor?: string;
  after?: string;
  from?: string;
  wait?: number;
  pace?: number;
}

const JSON_TYPE = 'application/json';
const SSE_TYPE = 'text/event-stream';
const LINES_TYPE = 'application/x-ndjson';

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
  if (ctx.method === 'HEAD') {
    ctx.set('Allow', 'GET, POST');
    throw new ServiceError('method-not-allowed', 'HEAD of a stream says nothing: GET it.');
  }
  const query = call.query as ReadQuery;
  const filter = filterOf(ctx);
  const accepted = ctx.accepts(JSON_TYPE, SSE_TYPE, LINES_TYPE);
  if (accepted === false) {
    const types = [JSON_TYPE, SSE_TYPE, LINES_TYPE].join(', ');
    throw new ServiceError('not-acceptable', `Accept one of ${types}.`);
  }
  const { after = lastEventId(ctx, accepted), from, wait, pace } = query;
  const follows = after !== undefined || from !== undefined || wait !== undefined;
  if (accepted === JSON_TYPE && (!follows || query.waitFor !== undefined)) {
    ctx.type = JSON_TYPE;
    ctx.body = await searchPage(call, { filter, ...query });
    return;
  }
  const start = after === undefined ? startOf(from, accepted) : { position: after };
  const request: SubscribeRequest = {
    workspace,
    filter,
    from: start,
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

const PAGE_EVENTS = 50;
const WAIT_FOR_SECONDS = 10;

/** @throws ServiceError `invalid-request` past the configured bounds. */
function bounded(query: ReadQuery, config: Config): { limit: number; waitMs: number } {
  const { limit = PAGE_EVENTS, waitFor } = query;
  const { wait = waitFor === undefined ? 0 : WAIT_FOR_SECONDS } = query;
  for (const [path, value, max] of [
    ['limit', limit, config.pageEventsMax],
    ['wait', wait, config.waitSecondsMax],
  ] as const) {
    if (value > max) {
      const message = `must be at most ${String(max)}`;
      throw new ServiceError('invalid-request', `${path} ${message}.`, {
        errors: [{ path, message }],
      });
    }
  }
  return { limit, waitMs: wait * 1000 };
}

/**
 * The query parameters that are conditions. Any that is neither that nor described is a mistake.
 */
function filterOf(ctx: KoaContext): Filter {
  const parameters = [...ctx.URL.searchParams];
  for (const [name] of parameters) {
    if (!isFilterParameter(name) && !DESCRIBED.has(name)) {
      const message = `is neither a parameter (${[...DESCRIBED].join(', ')}) nor a filter field`;
      throw new ServiceError('invalid-request', `${name.slice(0, 100)} ${message}.`, {
        errors: [{ path: name, message }],
      });
    }
  }
  return parseFilterQuery(parameters);
}

const DESCRIBED = new Set(['limit', 'next', 'waitFor', 'after', 'from', 'wait', 'pace']);

function lastEventId(ctx: KoaContext, accepted: string): string | undefined {
  const id = ctx.get('Last-Event-ID');
  return accepted === SSE_TYPE && id !== '' ? id : undefined;
}

/** `last:n`, a time, or a word; an export without a start is of everything, all else is live. */
function startOf(from: string | undefined, accepted: string): From {
  if (from === undefined) {
    return accepted === LINES_TYPE ? 'start' : 'now';
  }
  if (from === 'now' || from === 'start') {
    return from;
  }
  if (from.startsWith('last:')) {
    return { last: Number(from.slice('last:'.length)) };
  }
  if (Number.isNaN(instant(from))) {
    const message = 'must be now, start, last:<n> or an RFC 3339 time';
    throw new ServiceError('invalid-request', `from ${message}.`, {
      errors: [{ path: 'from', message }],
    });
  }
  return { time: from };
}
