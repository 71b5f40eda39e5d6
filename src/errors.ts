/**
 * Every error that the service answers with, in one closed catalogue. Docs and catalogue are held
 * equal by a test. `closeCode` is the WebSocket close code where the error ends a connection: 44xx
 * tells a client not to come back unchanged, 45xx and 4429 to come back later.
 */
export const CATALOGUE = {
  'invalid-request': { status: 400, title: 'Invalid request', closeCode: 4400, retriable: false },
  'invalid-json': {
    status: 400,
    title: 'Body or frame is not valid JSON',
    closeCode: 4400,
    retriable: false,
  },
  'invalid-cursor': { status: 400, title: 'Invalid cursor', closeCode: 4400, retriable: false },
  'invalid-frame': {
    status: 400,
    title: 'Invalid WebSocket frame',
    closeCode: 4400,
    retriable: false,
  },
  'request-timeout': {
    status: 408,
    title: 'Request not received in time',
    closeCode: 4508,
    retriable: true,
  },
  unauthorized: { status: 401, title: 'Not authenticated', closeCode: 4401, retriable: false },
  forbidden: { status: 403, title: 'Not allowed', closeCode: 4403, retriable: false },
  'not-found': { status: 404, title: 'No such resource', closeCode: 4404, retriable: false },
  'workspace-not-found': {
    status: 404,
    title: 'No such workspace',
    closeCode: 4404,
    retriable: false,
  },
  'event-not-found': { status: 404, title: 'No such event', closeCode: 4404, retriable: false },
  'subscription-not-found': {
    status: 404,
    title: 'No such subscription',
    closeCode: 4404,
    retriable: false,
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    closeCode: 4400,
    retriable: false,
  },
  'workspace-deleted': {
    status: 409,
    title: 'Workspace is deleted',
    closeCode: 4409,
    retriable: false,
  },
  'not-acceptable': {
    status: 406,
    title: 'No representation that the client accepts',
    closeCode: 4400,
    retriable: false,
  },
  'too-large': { status: 413, title: 'Too large', closeCode: 4413, retriable: false },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    closeCode: 4400,
    retriable: false,
  },
  'invalid-body': {
    status: 422,
    title: 'Body does not fit the schema',
    closeCode: 4400,
    retriable: false,
  },
  'invalid-event': {
    status: 422,
    title: 'Event does not fit the schema',
    closeCode: 4400,
    retriable: false,
  },
  'invalid-filter': { status: 422, title: 'Invalid filter', closeCode: 4400, retriable: false },
  'query-too-costly': {
    status: 422,
    title: 'Query too costly',
    closeCode: 4400,
    retriable: false,
  },
  'quota-exceeded': { status: 429, title: 'Quota exceeded', closeCode: 4429, retriable: true },
  'limit-exceeded': { status: 429, title: 'Too many at once', closeCode: 4429, retriable: true },
  'head-too-large': {
    status: 431,
    title: 'Request line and headers too large',
    closeCode: 4413,
    retriable: false,
  },
  'internal-error': { status: 500, title: 'Internal Error', closeCode: 4500, retriable: true },
  unavailable: { status: 503, title: 'Temporarily unavailable', closeCode: 4503, retriable: true },
  'wait-timeout': { status: 504, title: 'Not there in time', closeCode: 4504, retriable: true },
} as const satisfies Record<
  string,
  { status: number; title: string; closeCode: number; retriable: boolean }
>;

export type ErrorCode = keyof typeof CATALOGUE;

/** One fault in what was sent: where (a path in body, query or filter) and what would be right. */
export interface Fault {
  path: string;
  message: string;
}

export interface ErrorDetails {
  errors?: readonly Fault[];
  /** After how many seconds another try makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** An error that the caller is told about, as it is. Everything else becomes `internal-error`. */
export class ServiceError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly Fault[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ServiceError';
    this.code = code;
    this.errors = details.errors;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** Who calls has not said so. */
export class MissingCredential extends ServiceError {
  constructor() {
    super('unauthorized', 'Say who you are, by a token or an API key: Authorization: Bearer ….');
  }
}
