import type { IncomingMessage } from 'node:http';
import rawBody from 'raw-body';
import { parseJson } from '../commands/json.js';
import type { Config } from '../config.js';
import { ServiceError } from '../errors.js';

export type BodyBounds = Pick<Config, 'bodyBytesMax' | 'bodySecondsMax'>;

/** The media type of a request, without parameters, in lower case; empty where it names none. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** For the error: what the request names, and what it may name. */
export function notAllowed(type: string, allowed: string): ServiceError {
  const named = type === '' ? 'There is no Content-Type' : `Content-Type is ${type}`;
  return new ServiceError('unsupported-media-type', `${named}; allowed here: ${allowed}.`);
}

/** @throws ServiceError `unsupported-media-type` unless the body comes as it is, in UTF-8. */
export function assertPlain(request: IncomingMessage): void {
  const {
    'content-encoding': encoding = 'identity',
    'transfer-encoding': transfer = 'chunked',
    'content-type': type = '',
  } = request.headers;
  if (encoding !== 'identity' || transfer !== 'chunked') {
    // Node takes `Transfer-Encoding: gzip, chunked` for chunked alone.
    const coding = encoding === 'identity' ? transfer : encoding;
    throw new ServiceError('unsupported-media-type', `The body is ${coding}: send it plain.`);
  }
  const charset = /charset\s*=\s*"?([^\s";]+)/i.exec(type)?.[1]?.toLowerCase() ?? 'utf-8';
  if (charset !== 'utf-8' && charset !== 'utf8') {
    throw new ServiceError('unsupported-media-type', `The charset is ${charset}: send UTF-8.`);
  }
}

/**
 * A JSON body, held in memory whole.
 *
 * @throws ServiceError `unsupported-media-type`, `too-large`, `invalid-json`, `request-timeout`, or
 *   `invalid-request` where the body ends before its announced length.
 */
export async function jsonBody(
  request: IncomingMessage,
  bounds: BodyBounds,
  types: readonly string[] = ['application/json'],
): Promise<unknown> {
  const type = mediaType(request);
  if (!types.includes(type)) {
    throw notAllowed(type, types.join(', '));
  }
  return parseJson(await bytes(request, bounds));
}

/** The body as it came. */
export async function bytes(
  request: IncomingMessage,
  { bodyBytesMax, bodySecondsMax }: BodyBounds,
): Promise<Buffer> {
  assertPlain(request);
  const length = request.headers['content-length'];
  const limited = { limit: bodyBytesMax, ...(length !== undefined && { length }) };
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => {
      const message = `The body has not come within ${String(bodySecondsMax)} seconds.`;
      reject(new ServiceError('request-timeout', message));
    }, bodySecondsMax * 1000);
  });
  try {
    return await Promise.race([rawBody(request, limited), tooLate]);
  } catch (error) {
    if (error instanceof ServiceError) {
      throw error;
    }
    const { type } = error as { type?: string };
    if (type === 'entity.too.large') {
      throw new ServiceError(
        'too-large',
        `The body is larger than ${String(bodyBytesMax)} bytes. Send less at once, or NDJSON.`,
        { cause: error },
      );
    }
    throw new ServiceError('invalid-request', 'The body ended before its announced length.', {
      cause: error,
    });
  } finally {
    clearTimeout(late);
  }
}
