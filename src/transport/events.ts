import type { Context as KoaContext } from 'koa';
import { ServiceError } from '../errors.js';
import { parseFields } from '../queries/fields.js';
import type { RowWriter } from '../queries/rows.js';
import { eventById } from '../queries/search.js';
import type { SubscribeRequest } from '../queries/subscribe.js';
import type { Call } from './call.js';
import { mediaType } from './body.js';
import { emitBody, emitLines } from './emit.js';
import { csvFormat } from './export.csv.js';
import { exportEvents, type ExportFormat } from './export.js';
import { linesFormat } from './export.lines.js';
import { jsonPositioned } from './framing.js';
import {
  assertTaken,
  bounded,
  CSV_TYPE,
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
import { searchPage } from './search.js';
import { streamEvents } from './sse.js';

export async function emitEvents(ctx: KoaContext, call: Call): Promise<void> {
  const isStream = mediaType(ctx.req) === LINES_TYPE;
  if (isStream) {
    takeConnection(call);
  }
  const { status, body } = await (isStream ? emitLines : emitBody)(ctx.req, call);
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
  ctx.vary('Accept');
  const way = wayOf(query, accepted);
  assertTaken(query, way);
  if (way === SEARCH) {
    ctx.type = JSON_TYPE;
    ctx.body = await searchPage(ctx, call, { filter, ...query });
    return;
  }
  takeConnection(call);
  const { pace } = query;
  const request: SubscribeRequest = {
    workspace,
    filter,
    from: startOf(query, ctx.get('Last-Event-ID'), accepted),
    left: call.left(),
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
  if (accepted === SSE_TYPE) {
    await streamEvents(call, request, ctx.res);
    return;
  }
  ctx.vary('Accept-Encoding');
  const isGzipped = ctx.acceptsEncodings('gzip', 'identity') === 'gzip';
  await exportEvents(call, request, ctx.res, {
    format: formatOf(query, accepted, service.rowWriter),
    isGzipped,
  });
}

/** What lasts as long as its client likes is one of so many. */
function takeConnection(call: Call): void {
  const { service, workspace, context } = call;
  const leave = service.quotas.enter('connections', { workspace, caller: context.caller });
  const left = call.left();
  if (left.aborted) {
    leave();
  } else {
    left.addEventListener('abort', leave, { once: true });
  }
}

function formatOf(
  query: ReadQuery,
  accepted: typeof LINES_TYPE | typeof CSV_TYPE,
  writer: RowWriter,
): ExportFormat {
  const fields = query.fields && parseFields(query.fields, 'fields');
  if (accepted === LINES_TYPE) {
    return linesFormat(writer, fields);
  }
  const { header = true, escapeFormulas = true } = query;
  return csvFormat(writer, { header, escapeFormulas, ...(fields && { fields }) });
}

export async function getEvent(
  ctx: KoaContext,
  { service, workspace, context }: Call,
): Promise<void> {
  const id = (ctx.params as { id: string }).id;
  const { epoch, record } = await eventById(id, workspace, context.caller, service);
  ctx.type = JSON_TYPE;
  ctx.body = jsonPositioned(epoch, record);
}
