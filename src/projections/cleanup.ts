import type { Context } from '../commands/context.js';
import type { Workspace } from '../commands/workspace.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Incarnation, type Position } from '../event.js';
import { pause } from '../pause.js';
import { isReserved } from '../policy.js';
import { parseFilter } from '../queries/filter.js';
import type { Ends } from './projection.js';
import { expiredOf, removeExpired, type Removed } from './retention.js';
import type { EventStore } from './store.js';

/** How often progress is told: who reads along sees that it goes on, and so do proxies. */
const TOLD_MS = 1000;
/** How often a purge is looked after: who projects the workspace is at it. */
const POLL_MS = 50;
/** So many positions are counted at once, which takes less time than a query may. */
const COUNTED_MAX = 100_000;

export interface Cleanup extends Ends {
  readonly workspaces: Workspaces;
  /** The one to clean up; absent: all that there are. */
  readonly only: string | undefined;
  /** Tells what would be removed, and removes nothing. */
  readonly dryRun: boolean;
  /** Ends it between two steps, without a total. */
  readonly signal: AbortSignal;
  readonly context: Context;
}

/** What was, or in a dry run would be, removed of a workspace so far. */
export interface Progress extends Removed {
  readonly of: Workspace;
  /** The grace of its deletion is over, so that nothing is to be left of it. */
  readonly purge: boolean;
  /** There is no more to do for it. */
  readonly done: boolean;
}

export interface Failure {
  readonly of: Workspace;
  readonly error: unknown;
}

export interface Total extends Removed {
  readonly workspaces: number;
  readonly purged: number;
  readonly failed: number;
}

type Step = Pick<Progress, 'log' | 'history' | 'done'>;

/**
 * Does what the rounds of retention do, at once and whoever has the share: one workspace after the
 * other, with rests in between. A failure stops no other workspace. The total comes last.
 */
export async function* cleanup(task: Cleanup): AsyncGenerator<Progress | Failure | Total> {
  const { deadLetters, signal, dryRun } = task;
  const total = { workspaces: 0, log: 0, history: 0, purged: 0, failed: 0 };
  for (const { of, purge } of meantBy(task)) {
    const began = performance.now();
    for await (const line of told(of, purge, stepsOf(of, purge, task))) {
      yield line;
      if ('error' in line) {
        total.failed++;
      } else if (line.done) {
        total.workspaces++;
        total.log += line.log;
        total.history += line.history;
        total.purged += purge && !isBack(of, task) ? 1 : 0;
      }
    }
    await pause(performance.now() - began, signal);
    if (signal.aborted) {
      return;
    }
  }
  if (!dryRun) {
    await deadLetters.forget();
  }
  yield total;
}

function meantBy({ workspaces, only }: Cleanup): { of: Workspace; purge: boolean }[] {
  return [
    ...workspaces.list().map((of) => ({ of, purge: false })),
    ...workspaces.overdue().map((of) => ({ of, purge: true })),
  ].filter(({ of: { id } }) => (only === undefined ? !isReserved(id) : id === only));
}

/** What is done for one workspace, told now and then, and at its end. */
async function* told(
  of: Workspace,
  purge: boolean,
  steps: AsyncIterable<Step>,
): AsyncGenerator<Progress | Failure> {
  let toldAt = performance.now();
  try {
    for await (const step of steps) {
      if (step.done || performance.now() - toldAt >= TOLD_MS) {
        toldAt = performance.now();
        yield { of, purge, ...step };
      }
    }
  } catch (error) {
    yield { of, error };
  }
}

async function* stepsOf(of: Workspace, purge: boolean, task: Cleanup): AsyncGenerator<Step> {
  if (task.dryRun) {
    yield { ...(await (purge ? sizeOf(of, task) : sizeOfExpired(of, task))), done: true };
  } else if (purge) {
    yield* purged(of, task);
  } else {
    yield* trimmed(of, task);
  }
}

async function* trimmed(of: Workspace, task: Cleanup): AsyncGenerator<Step> {
  let [log, history] = [0, 0];
  for await (const removed of removeExpired(of, task.workspaces.retentionOf(of), task)) {
    log += removed.log;
    history += removed.history;
    if (task.signal.aborted) {
      return;
    }
    yield { log, history, done: false };
  }
  yield { log, history, done: true };
}

async function* purged(of: Workspace, task: Cleanup): AsyncGenerator<Step> {
  const { workspaces, signal, context } = task;
  const all = await sizeOf(of, task);
  await workspaces.purge(of, context);
  const size = isBack(of, task) ? { log: 0, history: 0 } : all;
  while (workspaces.deleted().some(({ workspace }) => workspace === of)) {
    await pause(POLL_MS, signal);
    if (signal.aborted) {
      return;
    }
    yield { ...size, done: false };
  }
  yield { ...size, done: true };
}

/** A restore came first. */
function isBack(of: Workspace, { workspaces }: Cleanup): boolean {
  return workspaces.get(of.id) === of;
}

async function sizeOfExpired(of: Workspace, task: Cleanup): Promise<Removed> {
  const { log, history } = await expiredOf(of, task.workspaces.retentionOf(of), task);
  return {
    log: log.before - log.first,
    history: await countOf(of.history, history, task.store),
  };
}

/** All that there is of a deleted workspace; its log may be gone already. */
async function sizeOf(of: Workspace, { log, store }: Ends): Promise<Removed> {
  const events = await log.bounds(of.id).then(
    ({ epoch, first, next }) => (epoch === of.epoch ? next - first : 0),
    (error: unknown) => {
      if (error instanceof ServiceError && error.code === 'workspace-not-found') {
        return 0;
      }
      throw error;
    },
  );
  const last = await store.checkpoint(of.history);
  return { log: events, history: await countOf(of.history, last, store) };
}

/** How many events a history has up to a position. */
async function countOf(of: Incarnation, upTo: Position, store: EventStore): Promise<number> {
  const [first] = await store.scan(of, BEFORE_FIRST, upTo, 1);
  let count = 0;
  for (let from = first?.position ?? Infinity; from <= upTo; from += COUNTED_MAX) {
    const { groups } = await store.aggregate({
      of: [of],
      filter: parseFilter({ position: { gte: from } }),
      last: Math.min(from + COUNTED_MAX - 1, upTo),
      groupBy: [],
      metrics: [{ of: 'count' }],
    });
    count += groups[0]!.values[0] as number;
  }
  return count;
}
