import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Incarnation } from '../event.js';
import { logger } from '../logger.js';
import type { Lag } from '../metrics.js';
import { pause } from '../pause.js';
import { Projection, type Ends } from './projection.js';
import type { Shares } from './shares.js';

/** Between two tries of a store or a log that does not answer. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 10_000;

/** What is to be done for one incarnation of a workspace. */
type Work = 'project' | 'purge' | 'nothing';

interface Task {
  readonly of: Incarnation;
  readonly work: Work;
  readonly projection: Projection;
  readonly stopping: AbortController;
  done: Promise<void>;
}

/**
 * Carries every event of this node’s workspaces from the log into the store, exactly once, and
 * purges what is deleted. Each workspace goes on by itself, so neither an event that the store
 * refuses nor a large backlog stops another.
 */
export class Projector {
  readonly #ends: Ends;
  readonly #workspaces: Workspaces;
  readonly #shares: Shares;
  /** By epoch. */
  readonly #tasks = new Map<string, Task>();
  #stopped = false;

  constructor(ends: Ends, workspaces: Workspaces, shares: Shares) {
    this.#ends = ends;
    this.#workspaces = workspaces;
    this.#shares = shares;
  }

  /** Takes on whatever falls to this node, now and later. */
  start(): void {
    this.#workspaces.onCreated((workspace) => {
      this.#take(workspace, 'project');
    });
    this.#workspaces.onPurging((workspace) => {
      this.#take(workspace, 'purge');
    });
    this.#shares.onChanged(() => {
      this.#takeAll();
    });
    this.#takeAll();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const tasks = [...this.#tasks.values()];
    for (const { stopping } of tasks) {
      stopping.abort();
    }
    await Promise.all(tasks.map(({ done }) => done));
  }

  /** How far the history is behind the logs: in events, and the age of the oldest one in work. */
  async lag(): Promise<Lag> {
    let events = 0;
    let oldest = Date.now();
    for (const { of, projection } of this.#tasks.values()) {
      const { checkpoint, acceptedAt = oldest } = projection;
      if (checkpoint !== undefined) {
        const { next } = await this.#ends.log.bounds(of.id);
        events += Math.max(next - 1 - checkpoint, 0);
        oldest = Math.min(oldest, acceptedAt);
      }
    }
    return { events, seconds: (Date.now() - oldest) / 1000 };
  }

  #takeAll(): void {
    for (const workspace of this.#workspaces.list()) {
      this.#take(workspace, 'project');
    }
    // What can still be restored is to be whole then.
    for (const { workspace, purging } of this.#workspaces.deleted()) {
      this.#take(workspace, purging ? 'purge' : 'project');
    }
  }

  /**
   * Does for an incarnation what is wanted, if it falls to this node. One after the other: what
   * runs for it is stopped, then comes the next.
   */
  #take(of: Incarnation, wanted: Work): void {
    const work = this.#shares.has(of.id) ? wanted : 'nothing';
    const before = this.#tasks.get(of.epoch);
    if (this.#stopped || (before?.work ?? 'nothing') === work) {
      return;
    }
    before?.stopping.abort();
    const projection = new Projection(of, this.#ends);
    const stopping = new AbortController();
    const task: Task = { of, work, projection, stopping, done: Promise.resolve() };
    this.#tasks.set(of.epoch, task);
    const run = async (): Promise<void> => {
      await before?.done;
      await this.#untilDone(task);
      if (this.#tasks.get(of.epoch) === task) {
        this.#tasks.delete(of.epoch);
      }
    };
    task.done = run();
  }

  /**
   * Tries again, ever more slowly, whatever the failure: giving up would lose history in silence.
   */
  async #untilDone(task: Task): Promise<void> {
    const { of, projection, stopping } = task;
    let pauseMs = RETRY_MS;
    while (!stopping.signal.aborted) {
      const { checkpoint } = projection;
      try {
        await this.#do(task);
        return;
      } catch (error) {
        if (error instanceof ServiceError && error.code === 'workspace-not-found') {
          return;
        }
        logger.error({ err: error, workspaceId: of.id }, `to ${task.work} failed, trying again`);
        await pause(pauseMs, stopping.signal);
        const moved = (projection.checkpoint ?? BEFORE_FIRST) > (checkpoint ?? BEFORE_FIRST);
        pauseMs = moved ? RETRY_MS : Math.min(pauseMs * 2, RETRY_MS_MAX);
      }
    }
  }

  async #do({ of, work, projection, stopping }: Task): Promise<void> {
    if (work === 'project') {
      await projection.run(stopping.signal);
    } else if (work === 'purge') {
      await this.#ends.log.drop(of.id, of.epoch);
      await this.#ends.store.drop(of);
      await this.#ends.deadLetters.forget();
      await this.#workspaces.purged(of);
    }
  }
}
