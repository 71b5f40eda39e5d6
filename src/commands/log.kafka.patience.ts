import { randomInt } from 'node:crypto';
import {
  GenericError,
  ProtocolError,
  ResponseError,
  UnsupportedCompressionError,
} from '@platformatic/kafka';
import { ServiceError } from '../errors.js';
import { pause } from '../pause.js';

const BACKOFF_MS_MIN = 25;
const BACKOFF_MS_MAX = 1000;

/** After so long a broker that was away may be back. */
const RETRY_AFTER_SECONDS = 1;

/** How Kafka names an error that it has answered with, such as `UNKNOWN_TOPIC_ID`. */
export function refusalOf(error: unknown): string | undefined {
  return protocolErrorOf(error)?.apiId as string | undefined;
}

/** Whether another try may do: there was no answer, or one that speaks of a passing state. */
export function isPassing(error: unknown): boolean {
  const refusal = protocolErrorOf(error);
  if (refusal) {
    return refusal.canRetry === true;
  }
  // Records will not be compressed otherwise next time. All else is of the connection, also a wrong
  // password: it may be changed at the broker before it is here, or after.
  return (
    error instanceof Error &&
    GenericError.isGenericError(error) &&
    !(error instanceof UnsupportedCompressionError)
  );
}

function protocolErrorOf(error: unknown): ProtocolError | undefined {
  // Those of single records, which have no code, come before that of the append.
  const last: unknown = error instanceof ResponseError ? error.errors.at(-1) : error;
  return last instanceof ProtocolError ? last : undefined;
}

/** How long to wait before another try, in ms: longer each time, and not all at once. */
export function backoffMs(attempt: number): number {
  const fullMs = Math.min(BACKOFF_MS_MIN * 2 ** attempt, BACKOFF_MS_MAX);
  return randomInt(Math.floor(fullMs / 2), fullMs + 1);
}

/**
 * Tries until it works, for so long.
 *
 * @param work Gets a signal that aborts when nobody waits for it any more.
 * @throws ServiceError `unavailable` when the time is over; what does not pass as it is.
 */
export async function patiently<T>(
  waitMs: number,
  work: (over: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  let last: unknown;
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      over.abort();
      reject(unavailable('Kafka did not answer in time', last));
    }, waitMs);
  });
  const trying = async (): Promise<T> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work(over.signal);
      } catch (error) {
        if (over.signal.aborted || !isPassing(error)) {
          throw error;
        }
        last = error;
      }
      await pause(backoffMs(attempt));
      over.signal.throwIfAborted();
    }
  };
  try {
    return await Promise.race([trying(), expiry]);
  } finally {
    clearTimeout(timer);
  }
}

export function unavailable(message: string, cause?: unknown): ServiceError {
  return new ServiceError('unavailable', message, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}
