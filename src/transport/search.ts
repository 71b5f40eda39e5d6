import type { Context as KoaContext } from 'koa';
import { ServiceError } from '../errors.js';
import { SUPERADMIN_CALLER, SYSTEM_WORKSPACE } from '../policy.js';
import { aggregate, aggregateAcross } from '../queries/aggregate.js';
import {
  parseAggregation,
  type AggregateBody,
  type Aggregation,
} from '../queries/aggregate.parse.js';
import { chosen, parseFields } from '../queries/fields.js';
import { parseFilter, type Filter } from '../queries/filter.js';
import { chosenRow } from '../queries/rows.lines.js';
import { search, searchAcross, type Found, type PageRequest } from '../queries/search.js';
import { usage, type UsageRequest } from '../queries/usage.js';
import type { Wait } from '../queries/watermark.js';
import { jsonBody } from './body.js';
import type { Call } from './call.js';
import { jsonPage } from './framing.js';
import { bounded, JSON_TYPE, type ReadQuery } from './parameters.js';
import { tellLag } from './respond.js';

/** What a search asks for, or an aggregation: that is what it is with groups or metrics. */
type Asked = Omit<ReadQuery, 'limit'> & AggregateBody & { readonly filter: Filter };

/** What one of them takes and not the other. */
const OF_PAGES = ['next', 'previous', 'sort', 'order', 'fields', 'count'] as const;
const OF_TABLES = ['having', 'orderBy', 'fill'] as const;

export async function searchEvents(ctx: KoaContext, call: Call): Promise<void> {
  const asked = await searchBody(ctx, call);
  if (!isAggregation(asked)) {
    ctx.type = JSON_TYPE;
    ctx.body = await searchPage(ctx, call, asked);
    return;
  }
  const { filter } = asked;
  await answerTable(ctx, call, { filter, aggregation: parseAggregation(asked) }, asked);
}

/** Across workspaces, where no cursor could tell what was not yet searchable. */
export async function searchAll(ctx: KoaContext, call: Call): Promise<void> {
  const asked = await searchBody(ctx, call);
  const { service, context, left } = call;
  if (isAggregation(asked)) {
    const { filter } = asked;
    const request = { filter, aggregation: parseAggregation(asked), left: left() };
    ctx.body = await aggregateAcross(request, context.caller, service);
    return;
  }
  const found = await searchAcross(pageRequest(asked, call), context.caller, service);
  ctx.type = JSON_TYPE;
  ctx.body = page(found, asked.fields, {});
}

export async function getUsage(ctx: KoaContext, call: Call): Promise<void> {
  const asked = call.query as UsageRequest & ReadQuery;
  await answerTable(ctx, call, usage(asked), asked);
}

async function answerTable(
  ctx: KoaContext,
  call: Call,
  of: { filter: Filter; aggregation: Aggregation },
  asked: Pick<ReadQuery, 'waitFor' | 'wait'>,
): Promise<void> {
  const { service, workspace, context, left } = call;
  const request = { workspace, ...of, left: left(), ...waitOf(asked, call) };
  const { lag, ...table } = await aggregate(request, context.caller, service);
  tellLag(ctx, lag);
  ctx.body = table;
}

export async function getUsageOfAll(ctx: KoaContext, call: Call): Promise<void> {
  const { service, context, left } = call;
  const request = { ...usage(call.query), left: left() };
  ctx.body = await aggregateAcross(request, context.caller, service);
}

/** What the system workspace has of one workspace, as it is now: not of its namesakes before. */
export async function getAudit(ctx: KoaContext, call: Call): Promise<void> {
  const { service, workspace } = call;
  const asked = call.query as ReadQuery;
  const { epoch } = await service.workspaces.require(workspace);
  const filter = parseFilter({
    'payload.workspace': { eq: workspace },
    'payload.epoch': { eq: epoch },
  });
  const request = {
    ...pageRequest({ ...asked, filter }, call),
    workspace: SYSTEM_WORKSPACE,
    waitMs: 0,
  };
  // Whoever may audit the workspace may see of the system workspace what the filter lets through.
  const { lag, events, next, previous } = await search(request, SUPERADMIN_CALLER, service);
  tellLag(ctx, lag);
  ctx.type = JSON_TYPE;
  const more = { ...(next !== undefined && { next }), ...(previous !== undefined && { previous }) };
  // A cursor of the system workspace would be of no use to who may not subscribe there.
  ctx.body = page({ events, ...more }, undefined, {});
}

export async function searchPage(
  ctx: KoaContext,
  call: Call,
  asked: ReadQuery & { readonly filter: Filter },
): Promise<Buffer | string> {
  const { service, workspace, context } = call;
  const request = { ...pageRequest(asked, call), workspace, ...waitOf(asked, call) };
  const { cursor, lag, ...found } = await search(request, context.caller, service);
  tellLag(ctx, lag);
  return page(found, asked.fields, { cursor });
}

async function searchBody(ctx: KoaContext, call: Call): Promise<Asked> {
  const body = await jsonBody(ctx.req, call.service.config);
  call.check(body);
  const { filter = {}, ...asked } = body as Omit<Asked, 'filter'> & { filter?: unknown };
  return { ...asked, filter: parseFilter(filter) };
}

/** @throws ServiceError `invalid-request` for what would be passed over. */
function isAggregation(asked: Asked): boolean {
  const aggregates = asked.groupBy !== undefined || asked.metrics !== undefined;
  const path = (aggregates ? OF_PAGES : OF_TABLES).find((name) => asked[name] !== undefined);
  if (path !== undefined) {
    const message = aggregates
      ? 'is for a search of events: leave out groupBy and metrics, or it'
      : 'is for an aggregation: say groupBy or metrics as well';
    throw new ServiceError('invalid-request', `${path} ${message}.`, {
      errors: [{ path, message }],
    });
  }
  return aggregates;
}

function waitOf(asked: Pick<ReadQuery, 'waitFor' | 'wait'>, { service }: Call): Wait {
  const { waitFor, wait } = asked;
  const { waitMs } = bounded(
    { ...(waitFor !== undefined && { waitFor }), ...(wait !== undefined && { wait }) },
    service.config,
  );
  return { waitMs, ...(waitFor !== undefined && { waitFor }) };
}

function pageRequest(
  asked: ReadQuery & { readonly filter: Filter },
  { service, left }: Call,
): PageRequest {
  const { limit } = bounded(asked, service.config);
  const { filter, sort, order, next, previous, count } = asked;
  return {
    filter,
    limit,
    left: left(),
    ...(sort !== undefined && { sort }),
    ...(order !== undefined && { order }),
    ...(next !== undefined && { next }),
    ...(previous !== undefined && { previous }),
    ...(count !== undefined && { count }),
  };
}

function page(
  { events, ...rest }: Found,
  fields: readonly string[] | undefined,
  cursor: { cursor?: string },
): Buffer | string {
  if (fields === undefined) {
    return jsonPage(events, { ...rest, ...cursor });
  }
  const choose = chosen(parseFields(fields, 'fields'));
  const rows = events.map(({ epoch, record }) => chosenRow(epoch, record, choose(record)));
  return JSON.stringify({ events: rows, ...rest, ...cursor });
}
