import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { Context } from '../commands/context.js';
import { ServiceError } from '../errors.js';
import { ANONYMOUS } from '../policy.js';
import type { Authenticator } from './authenticate.js';
import { nameIn, refuseHeader } from './headers.js';

/**
 * What may go into logs, events and answers as a correlation id: nothing that could break a line
 * out.
 */
const CORRELATION_ID = /^[\w.:-]{1,128}$/;
/** W3C Trace Context, version 00; a trace id of zeros is none. */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** A name or an address, and a port. */
const HOST = /^[\w.:[\]-]{0,255}$/;

const connectionIds = new WeakMap<Socket, string>();

/**
 * What there is before the caller is known: enough to answer a refusal, and to find it in the log.
 */
export function unidentified({ headers, socket }: IncomingMessage): Context {
  const given = header(headers['x-correlation-id']);
  const correlationId =
    given !== undefined && CORRELATION_ID.test(given)
      ? given
      : (traceparentOf(headers)?.[1] ?? randomUUID());
  return { caller: ANONYMOUS, correlationId, connectionId: connectionId(socket) };
}

/**
 * Who calls, and what the server sees of the request.
 *
 * @throws ServiceError `invalid-request` naming the header that cannot be taken, and `unauthorized`
 *   for a credential that does not count.
 */
export async function identify(
  request: IncomingMessage,
  context: Context,
  authenticator: Authenticator,
): Promise<Context> {
  const { headers, socket } = request;
  const traceparent = traceparentOf(headers)?.[0];
  const app = nameIn(request, 'x-app');
  const host = hostOf(request);
  return {
    ...context,
    caller: await authenticator.callerOf(request),
    ...(socket.remoteAddress !== undefined && { ip: socket.remoteAddress }),
    ...(host !== undefined && { host }),
    ...(app !== undefined && { app }),
    ...(traceparent !== undefined && { traceparent }),
  };
}

function traceparentOf({ traceparent }: IncomingHttpHeaders): RegExpExecArray | null {
  return TRACEPARENT.exec(header(traceparent) ?? '');
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

/** RFC 9112, 3.2: without a Host, or with one that is none, a request of HTTP/1.1 is refused. */
function hostOf({ headers, httpVersion }: IncomingMessage): string | undefined {
  const { host } = headers;
  const isValid = host === undefined ? httpVersion === '1.0' : HOST.test(host);
  return isValid ? host : refuseHeader('host', 'must name a host, with or without a port');
}

/**
 * Whoever takes the request target apart later would throw, or read another text than was meant.
 *
 * @throws ServiceError `invalid-request` for a target that is neither a path nor a URL, and for an
 *   escape that is none or stands for bytes that are not UTF-8.
 */
export function assertTarget(target: string): void {
  const isUrl = /^https?:\/\//i.test(target) && URL.canParse(target);
  if (!isUrl && target !== '*' && !/^\/(?!\/)/.test(target)) {
    throw new ServiceError('invalid-request', 'The URL is neither a path nor begins with http://.');
  }
  if (target.includes('%')) {
    try {
      decodeURIComponent(target);
    } catch (error) {
      throw new ServiceError('invalid-request', 'The URL has an escape that is not UTF-8.', {
        cause: error,
      });
    }
  }
}
