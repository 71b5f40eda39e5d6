import { ServiceError } from '../errors.js';
import { logger } from '../logger.js';
import { metrics } from '../metrics.js';
import { isReserved, SYSTEM_WORKSPACE } from '../policy.js';
import type { Context } from './context.js';
import type { EventLog } from './log.js';
import { ownEvent } from './own.js';
import type { Workspaces } from './workspaces.js';

/** Error events a second on one node: a fault that every request meets must not fill the logs. */
const ERROR_EVENTS_PER_SECOND_MAX = 10;

/**
 * Turns whatever was thrown into what the caller is told. What was foreseen is told as it is. All
 * else is logged with its stack, becomes an `error` event in the workspace concerned and in the
 * system workspace, and is told as an `internal-error` that gives nothing away.
 */
export class ErrorReporter {
  readonly #log: EventLog;
  readonly #workspaces: Workspaces;
  #second = 0;
  #inSecond = 0;

  constructor(log: EventLog, workspaces: Workspaces) {
    this.#log = log;
    this.#workspaces = workspaces;
  }

  toldAs(error: unknown, context: Context, workspaceId?: string): ServiceError {
    if (error instanceof ServiceError) {
      return error;
    }
    const { correlationId } = context;
    metrics.errors.inc();
    logger.error({ err: error, correlationId, workspaceId }, 'unexpected error');
    if (this.#mayEmit()) {
      for (const workspace of new Set([workspaceId, SYSTEM_WORKSPACE])) {
        void this.#emit(workspace, context);
      }
    }
    return new ServiceError(
      'internal-error',
      `Internal Error. Its correlation id is ${correlationId}.`,
    );
  }

  /** Never throws and never reports its own failure as an event: the error path cannot loop. */
  async #emit(workspaceId: string | undefined, context: Context): Promise<void> {
    const workspace = workspaceId === undefined ? undefined : this.#workspaces.get(workspaceId);
    if (!workspace || (isReserved(workspace.id) && workspace.id !== SYSTEM_WORKSPACE)) {
      return;
    }
    const message = `Internal Error. Its correlation id is ${context.correlationId}.`;
    const error = { code: 'internal-error', message };
    const acceptedAt = workspace.acceptedAt();
    const { redact: hidden } = workspace.config;
    const event = ownEvent(
      {
        workspaceId: workspace.id,
        type: 'error',
        payload: {},
        acceptedAt,
        error,
        ...(hidden && { hidden }),
      },
      context,
    );
    try {
      await this.#log.append(workspace.id, [event]);
    } catch (failure) {
      logger.error({ err: failure, correlationId: context.correlationId }, 'cannot emit an error');
    }
  }

  #mayEmit(): boolean {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
    }
    return ++this.#inSecond <= ERROR_EVENTS_PER_SECOND_MAX;
  }
}
