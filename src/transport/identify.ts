import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { Context } from '../commands/context.js';
import { ServiceError } from '../errors.js';

/**
 * What may go into logs, events and answers as a correlation id: nothing that could break a line
 * out.
 */
const CORRELATION_ID = /^[\w.:-]{1,128}$/;
/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
const NAME = /^[^\p{Cc}]{1,256}$/u;
const HOST_LENGTH_MAX = 255;

/** Stands in where the identification itself fails. */
export const NOBODY: Context = {
  caller: { superadmin: false },
  correlationId: 'none',
  connectionId: 'none',
};

const connectionIds = new WeakMap<Socket, string>();

/**
 * Who calls, and what the server sees of the request. As long as no authentication is configured
 * the service listens on loopback only, whoever reaches it may do everything, and `X-User-Id` and
 * `X-Session-Id` say in whose name.
 *
 * @throws ServiceError `invalid-request` naming the header that cannot be taken.
 */
export function identify(request: IncomingMessage): Context {
  const { headers, socket } = request;
  const traceparent = TRACEPARENT.exec(header(headers.traceparent) ?? '');
  const given = header(headers['x-correlation-id']);
  const correlationId =
    given !== undefined && CORRELATION_ID.test(given) ? given : (traceparent?.[1] ?? randomUUID());
  const userId = name(request, 'x-user-id');
  const sessionId = name(request, 'x-session-id');
  const app = name(request, 'x-app');
  const { host } = headers;
  return {
    caller: {
      superadmin: true,
      ...(userId !== undefined && { userId }),
      ...(sessionId !== undefined && { sessionId }),
    },
    correlationId,
    connectionId: connectionId(socket),
    ...(socket.remoteAddress !== undefined && { ip: socket.remoteAddress }),
    ...(host !== undefined && { host: host.slice(0, HOST_LENGTH_MAX) }),
    ...(app !== undefined && { app }),
    ...(traceparent && { traceparent: traceparent[0] }),
  };
}

function connectionId(socket: Socket): string {
  let id = connectionIds.get(socket);
  if (id === undefined) {
    id = randomUUID();
    connectionIds.set(socket, id);
  }
  return id;
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function name(request: IncomingMessage, field: string): string | undefined {
  const value = header(request.headers[field]);
  if (value !== undefined && !NAME.test(value)) {
    const message = 'must be 1 to 256 characters without control characters';
    throw new ServiceError('invalid-request', `The header ${field} ${message}.`, {
      errors: [{ path: field, message }],
    });
  }
  return value;
}
