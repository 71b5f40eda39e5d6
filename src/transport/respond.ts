import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Context as KoaContext } from 'koa';
import { CATALOGUE, MissingCredential, type ServiceError } from '../errors.js';
import type { EmitResult } from '../commands/emit.js';
import { formatCursor } from '../queries/cursor.js';

/** An error as RFC 9457 wants it; `type` names its section in docs/errors.md. */
export function problem(error: ServiceError, correlationId: string): Record<string, unknown> {
  const { status, title } = CATALOGUE[error.code];
  return {
    type: `urn:workspace-events:error:${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.message,
    correlationId,
    ...(error.errors && { errors: error.errors }),
  };
}

/** Headers that belong to an error. */
export function problemHeaders(error: ServiceError): Record<string, string> {
  const seconds = error.retryAfterSeconds ?? (CATALOGUE[error.code].retriable ? 1 : undefined);
  return {
    ...(seconds !== undefined && { 'Retry-After': String(seconds) }),
    ...(error.code === 'unauthorized' && { 'WWW-Authenticate': challenge(error) }),
  };
}

/** RFC 6750, 3: who showed no credential is told of no error. */
function challenge(error: ServiceError): string {
  const realm = 'Bearer realm="workspace-events"';
  const isShown = !(error instanceof MissingCredential);
  return isShown ? `${realm}, error="invalid_token"` : realm;
}

/** An error where it concerns one item or one frame. */
export function itemError({
  code,
  message,
  errors,
  retryAfterSeconds,
}: ServiceError): Record<string, unknown> {
  return {
    code,
    message,
    ...(errors && { errors }),
    ...(retryAfterSeconds !== undefined && { retryAfter: retryAfterSeconds }),
  };
}

/** How many events the history is behind the log, in the headers of what was answered from it. */
export const LAG_HEADER = 'Projection-Lag-Events';

export function tellLag(ctx: KoaContext, lag: number | undefined): void {
  if (lag !== undefined) {
    ctx.set(LAG_HEADER, String(lag));
  }
}

/** How long a client that was refused may take to close its side. */
export const CLOSE_MS_MAX = 1000;

/**
 * Ends a connection with an error, where there is no response to write it with: before a request
 * could be read, or in place of a WebSocket.
 */
export function endWith(socket: Duplex, error: ServiceError, correlationId: string): void {
  const { status } = CATALOGUE[error.code];
  const body = JSON.stringify(problem(error, correlationId));
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Correlation-Id': correlationId,
    Connection: 'close',
    ...problemHeaders(error),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
  const late = setTimeout(() => socket.destroy(), CLOSE_MS_MAX);
  socket.once('close', () => {
    clearTimeout(late);
  });
}

/** What became of one event, as HTTP and WebSocket tell it. */
export function itemResult(epoch: string, result: EmitResult): Record<string, unknown> {
  if ('error' in result) {
    return { error: itemError(result.error) };
  }
  const { id, position, duplicate } = result;
  return { id, position: formatCursor(epoch, position), ...(duplicate && { duplicate }) };
}

/** `201` when all went in, `422` when none did, `207` in between. */
export function emittedStatus(accepted: number, refused: number): number {
  if (refused === 0) {
    return 201;
  }
  return accepted === 0 ? 422 : 207;
}
