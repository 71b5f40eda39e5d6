/** How far the history has come, and what a query may ask of that. */
import { setImmediate as turn } from 'node:timers/promises';
import type { EventLog } from '../commands/log.js';
import type { Workspace } from '../commands/workspace.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Incarnation, type Position } from '../event.js';
import { pause } from '../pause.js';
import type { EventStore } from '../projections/store.js';
import { formatCursor, parseCursor } from './cursor.js';
import type { HeavyQueries } from './heavy.js';

/** What queries are answered from. */
export interface History {
  readonly workspaces: Workspaces;
  readonly store: EventStore;
  readonly log: EventLog;
  readonly heavyQueries: HeavyQueries;
}

/** A cursor that has to be searchable before a query is answered, and for how long to wait. */
export interface Wait {
  readonly waitFor?: string;
  readonly waitMs: number;
  /** Aborts when the caller has left. */
  readonly left?: AbortSignal;
}

/** How far a history is: another one may take its place while it is being queried. */
interface Reached {
  readonly of: Incarnation;
  readonly position: Position;
}

/** The state of the history that a query was answered from. */
export interface Watermark extends Reached {
  /** How many events the history is behind the log; absent where the log does not tell in time. */
  readonly lag: () => Promise<number | undefined>;
}

/**
 * How often a node that waits looks at the checkpoint; another node may be the one that moves it.
 */
const POLL_MS = 5;
const POLL_MS_MAX = 100;

/** As long as the projection gathers what it writes: histories are as far behind anyway. */
const WATERMARK_AGE_MS_MAX = 100;

/**
 * The watermark of a workspace, once it is at what the caller waits for.
 *
 * @throws ServiceError `wait-timeout` when it does not get there in time, telling where it is.
 */
export async function watermarkOf(
  workspace: Workspace,
  { waitFor, ...waiting }: Wait,
  { store, log }: Pick<History, 'store' | 'log'>,
): Promise<Watermark> {
  const { of, position } = await (waitFor === undefined
    ? reached(workspace, store)
    : searchable(workspace, ownPosition(waitFor, workspace.epoch, 'waitFor'), waiting, store));
  // Nobody waits for a log that is away in order to read the history.
  const head = log.bounds(workspace.id).then(
    ({ next }) => next - 1,
    () => undefined,
  );
  const lag = async (): Promise<number | undefined> => {
    const last = await Promise.race([head, turn()]);
    return last === undefined ? undefined : Math.max(last - position, 0);
  };
  return { of, position, lag };
}

/** Who waits for nothing may be told what was true a moment ago. */
async function reached({ history: of }: Workspace, store: EventStore): Promise<Reached> {
  return { of, position: await store.checkpoint(of, WATERMARK_AGE_MS_MAX) };
}

/**
 * The history, once it has everything up to a position. Who waits also waits for a store that is
 * not there for the moment, as for the first event of all, when another node has just made it.
 */
async function searchable(
  workspace: Workspace,
  least: Position,
  { waitMs, left }: Omit<Wait, 'waitFor'>,
  store: EventStore,
): Promise<Reached> {
  const deadline = Date.now() + waitMs;
  let pauseMs = POLL_MS;
  for (;;) {
    const isOver = Date.now() >= deadline;
    const of = workspace.history;
    const position = await store.checkpoint(of).catch((error: unknown) => {
      if (isOver || !(error instanceof ServiceError && error.code === 'unavailable')) {
        throw error;
      }
      return undefined;
    });
    if (position !== undefined && position >= least) {
      return { of, position };
    }
    left?.throwIfAborted();
    if (isOver) {
      const reached = formatCursor(workspace.epoch, position ?? BEFORE_FIRST);
      throw new ServiceError(
        'wait-timeout',
        `History has come to ${reached} only, not to waitFor. Try again.`,
        { retryAfterSeconds: 1 },
      );
    }
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, POLL_MS_MAX);
  }
}

/**
 * The position of a cursor of this very incarnation.
 *
 * @throws ServiceError `invalid-cursor`
 */
function ownPosition(text: string, epoch: string, at: string): Position {
  const cursor = parseCursor(text, at);
  if (cursor.epoch !== epoch) {
    const message = 'is a cursor of another workspace, or of this one before it was made again';
    throw new ServiceError('invalid-cursor', `${at} ${message}.`, {
      errors: [{ path: at, message }],
    });
  }
  return cursor.position;
}
