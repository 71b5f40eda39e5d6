import type { Context } from '../commands/context.js';
import type { Service } from '../service.js';

/** What a handler is given beside Koa’s own context. */
export interface Call {
  readonly service: Service;
  readonly context: Context;
  readonly workspace: string;
  /** Aborted when the node stops and streams have to end. */
  readonly draining: AbortSignal;
  /** Aborted when the client has gone, or has its answer; made where it is asked for. */
  readonly left: () => AbortSignal;
  /** The query parameters, valid and of their types. */
  readonly query: Record<string, unknown>;
  /** Validates the body against the operation. */
  readonly check: (body: unknown) => void;
}
