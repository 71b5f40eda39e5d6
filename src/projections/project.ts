import { HISTORY, recordStep } from '../commands/histories.js';
import type { Workspace } from '../commands/workspace.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, nameOf, type Incarnation, type Position } from '../event.js';
import { logger } from '../logger.js';
import type { Lag } from '../metrics.js';
import { pause } from '../pause.js';
import { budget, Projection, type Ends } from './projection.js';
import { RebuildPace } from './rebuild.pace.js';
import { Rebuilder } from './rebuild.js';
import type { Shares } from './shares.js';

/** Between two tries of a store or a log that does not answer. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 10_000;

/** Longer than a query takes, or a node that is well needs to hear of anything. */
export const REPLACED_MS = 60_000;

/** What is to be done for one history of a workspace: for all that it has, once it is deleted. */
type Work = 'project' | 'rebuild' | 'drop' | 'purge' | 'nothing';

/** The doing of it, until it is done or the signal aborts; after a failure it is run again. */
interface Job {
  readonly checkpoint?: Position | undefined;
  run(signal: AbortSignal): Promise<void>;
}

interface Task {
  readonly of: Incarnation;
  readonly work: Work;
  readonly job: Job;
  readonly stopping: AbortController;
  done: Promise<void>;
}

/**
 * Carries every event of this node’s workspaces from the log into the store, exactly once,
 * rebuilds histories, and purges what is deleted. Each workspace goes on by itself, so neither an
 * event that the store refuses nor a large backlog stops another.
 */
export class Projector {
  readonly #ends: Ends;
  readonly #workspaces: Workspaces;
  readonly #shares: Shares;
  readonly #replacedMs: number;
  readonly #pace = new RebuildPace(budget);
  /** By the name of the history. */
  readonly #tasks = new Map<string, Task>();
  #stopped = false;

  /**
   * @param replacedMs How long a history stays after another has taken its place: for queries that
   *   are at it, and nodes that have not heard of that yet.
   */
  constructor(ends: Ends, workspaces: Workspaces, shares: Shares, replacedMs = REPLACED_MS) {
    this.#ends = ends;
    this.#workspaces = workspaces;
    this.#shares = shares;
    this.#replacedMs = replacedMs;
  }

  /** Takes on whatever falls to this node, now and later. */
  start(): void {
    this.#workspaces.onCreated((workspace) => {
      this.#takeLiving(workspace);
    });
    this.#workspaces.onHistories((workspace) => {
      this.#takeLiving(workspace);
    });
    this.#workspaces.onPurging((workspace) => {
      this.#take(workspace, workspace.history, 'purge');
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
    for (const { of, job } of this.#tasks.values()) {
      if (job instanceof Projection && job.checkpoint !== undefined) {
        const { checkpoint, acceptedAt = oldest } = job;
        events += Math.max((await this.#nextIn(of.id)) - 1 - checkpoint, 0);
        oldest = Math.min(oldest, acceptedAt);
      }
    }
    return { events, seconds: (Date.now() - oldest) / 1000 };
  }

  /** Zero where there is no log: that must not hide how far the others are behind. */
  async #nextIn(id: string): Promise<number> {
    try {
      return (await this.#ends.log.bounds(id)).next;
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'workspace-not-found') {
        return 0;
      }
      throw error;
    }
  }

  #takeAll(): void {
    for (const workspace of this.#workspaces.list()) {
      this.#takeLiving(workspace);
    }
    // What can still be restored is to be whole then.
    for (const { workspace, purging } of this.#workspaces.deleted()) {
      if (purging) {
        this.#take(workspace, workspace.history, 'purge');
      } else {
        this.#takeLiving(workspace);
      }
    }
  }

  #takeLiving(workspace: Workspace): void {
    const { current, rebuild, obsolete } = workspace.histories;
    this.#take(workspace, current, 'project');
    if (rebuild) {
      this.#take(workspace, rebuild.of, 'rebuild');
    }
    for (const { of } of obsolete) {
      this.#take(workspace, of, 'drop');
    }
  }

  /**
   * Does for a history what is wanted, if it falls to this node. One after the other: what runs for
   * it, or for any of the workspace where all of them are to go, is stopped, then comes the next.
   */
  #take(workspace: Workspace, of: Incarnation, wanted: Work): void {
    const work = this.#shares.has(of.id) ? wanted : 'nothing';
    const name = nameOf(of);
    if (this.#stopped || (this.#tasks.get(name)?.work ?? 'nothing') === work) {
      return;
    }
    const rivals = work === 'purge' ? workspace.histories.all.map(nameOf) : [name];
    const before = rivals.flatMap((rival) => this.#tasks.get(rival) ?? []);
    before.forEach(({ stopping }) => {
      stopping.abort();
    });
    const job = this.#jobFor(workspace, of, work);
    const task: Task = { of, work, job, stopping: new AbortController(), done: Promise.resolve() };
    this.#tasks.set(name, task);
    const run = async (): Promise<void> => {
      await Promise.all(before.map(({ done }) => done));
      await this.#untilDone(task);
      if (this.#tasks.get(name) === task) {
        this.#tasks.delete(name);
      }
    };
    task.done = run();
  }

  #jobFor(workspace: Workspace, of: Incarnation, work: Work): Job {
    switch (work) {
      case 'project':
        return new Projection(of, this.#ends);
      case 'rebuild':
        return new Rebuilder({
          workspace,
          of,
          ends: this.#ends,
          workspaces: this.#workspaces,
          pace: this.#pace,
          current: () => this.#projectionOf(workspace),
        });
      case 'drop':
        return { run: (signal) => this.#drop(workspace, of, signal) };
      case 'purge':
        return { run: () => this.#purge(workspace) };
      case 'nothing':
        return { run: () => Promise.resolve() };
    }
  }

  #projectionOf({ history }: Workspace): Projection | undefined {
    const job = this.#tasks.get(nameOf(history))?.job;
    return job instanceof Projection ? job : undefined;
  }

  /**
   * Tries again, ever more slowly, whatever the failure: giving up would lose history in silence.
   * That there is no log may be only what the log remembers, or a broker that is behind: whether a
   * workspace is gone the system workspace tells, which stops the task.
   */
  async #untilDone(task: Task): Promise<void> {
    const { of, job, stopping } = task;
    let pauseMs = RETRY_MS;
    while (!stopping.signal.aborted) {
      const { checkpoint } = job;
      try {
        await job.run(stopping.signal);
        return;
      } catch (error) {
        logger.error({ err: error, workspaceId: of.id }, `to ${task.work} failed, trying again`);
        await pause(pauseMs, stopping.signal);
        const moved = (job.checkpoint ?? BEFORE_FIRST) > (checkpoint ?? BEFORE_FIRST);
        pauseMs = moved ? RETRY_MS : Math.min(pauseMs * 2, RETRY_MS_MAX);
      }
    }
  }

  /** Drops a history of a workspace whose place another has taken, or that nobody waits for. */
  async #drop({ histories }: Workspace, of: Incarnation, signal: AbortSignal): Promise<void> {
    const obsolete = histories.obsolete.find(({ of: each }) => each === of);
    if (obsolete?.wasSearched === true) {
      await pause(this.#replacedMs, signal);
    }
    if (!signal.aborted) {
      await this.#ends.store.drop(of);
      await recordStep(this.#workspaces, HISTORY.purged, of);
    }
  }

  async #purge(workspace: Workspace): Promise<void> {
    await this.#ends.log.drop(workspace.id, workspace.epoch);
    for (const of of workspace.histories.all) {
      await this.#ends.store.drop(of);
    }
    await this.#ends.deadLetters.forget();
    await this.#workspaces.purged(workspace);
  }
}
