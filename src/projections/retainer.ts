import { ownContext } from '../commands/context.js';
import type { Workspace } from '../commands/workspace.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { logger } from '../logger.js';
import { pause } from '../pause.js';
import { SYSTEM_WORKSPACE } from '../policy.js';
import { DEAD_LETTERS } from './deadletter.log.js';
import type { Ends } from './projection.js';
import { removeExpired } from './retention.js';
import type { Shares } from './shares.js';

/**
 * Goes round the workspaces of this node: removes what is beyond their retention, and lets those go
 * that were deleted long enough ago. It rests as long as it works, so that emits, deliveries and
 * queries beside it hardly suffer.
 */
export class Retainer {
  readonly #ends: Ends;
  readonly #workspaces: Workspaces;
  readonly #shares: Shares;
  readonly #intervalMs: number;
  readonly #stopping = new AbortController();
  /** What this node has told the log of each workspace. */
  readonly #told = new WeakMap<Workspace, string>();
  #running: Promise<void> = Promise.resolve();

  /** @param intervalMs Between the end of a round and the next. */
  constructor(ends: Ends, workspaces: Workspaces, shares: Shares, intervalMs: number) {
    this.#ends = ends;
    this.#workspaces = workspaces;
    this.#shares = shares;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the step that is under way is done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#round();
      await pause(this.#intervalMs, signal);
    }
  }

  async #round(): Promise<void> {
    for (const workspace of this.#workspaces.list()) {
      await this.#step(workspace.id, () => this.#tellLog(workspace));
      await this.#step(workspace.id, () => this.#remove(workspace));
    }
    for (const workspace of this.#workspaces.overdue()) {
      await this.#step(workspace.id, () =>
        this.#workspaces.purge(workspace, ownContext(SYSTEM_WORKSPACE)),
      );
    }
    await this.#step(DEAD_LETTERS, () => this.#ends.deadLetters.forget());
  }

  /** One failure stops no other workspace; what has failed is done in the next round. */
  async #step(id: string, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted || !this.#shares.has(id)) {
      return;
    }
    const began = performance.now();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ServiceError && error.code === 'workspace-not-found')) {
        logger.error({ err: error, workspaceId: id }, 'retention failed, trying again later');
      }
    }
    await pause(performance.now() - began, signal);
  }

  /**
   * What a log was told may be of before: the service may decide otherwise now, and a node may have
   * been killed between a change and this.
   */
  async #tellLog(workspace: Workspace): Promise<void> {
    const { log } = this.#workspaces.retentionOf(workspace);
    const text = JSON.stringify(log);
    if (this.#told.get(workspace) !== text) {
      await this.#ends.log.retain(workspace.id, workspace.epoch, log);
      this.#told.set(workspace, text);
    }
  }

  async #remove(workspace: Workspace): Promise<void> {
    const policy = this.#workspaces.retentionOf(workspace);
    let [log, history] = [0, 0];
    for await (const removed of removeExpired(workspace, policy, this.#ends)) {
      log += removed.log;
      history += removed.history;
      if (this.#stopping.signal.aborted) {
        break;
      }
    }
    if (log + history > 0) {
      const what = { workspaceId: workspace.id, log, history };
      logger.info(what, 'removed events that are beyond retention');
    }
  }
}
