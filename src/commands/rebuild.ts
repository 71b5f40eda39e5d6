import { ServiceError } from '../errors.js';
import { instant } from '../instant.js';
import type { EventStore } from '../projections/store.js';
import type { Context } from './context.js';
import { HISTORY, recordStep } from './histories.js';
import type { Workspace } from './workspace.js';
import type { Workspaces } from './workspaces.js';

/** A node writes for one at a time: more are no faster, but each holds what it has read. */
export const REBUILDS_MAX = 16;
const RETRY_AFTER_SECONDS = 60;

/** How far a rebuild is. */
export interface Progress {
  readonly generation: number;
  /** When it was asked for; ISO 8601. */
  readonly since: string;
  /** In positions, of which nearly each has an event. */
  readonly done: number;
  readonly total: number;
  /** On the average since it was asked for. */
  readonly perSecond: number;
}

/** The history that is searched, and the one that is to take its place. */
export interface RebuildState {
  readonly workspace: string;
  readonly generation: number;
  readonly rebuilding?: Progress;
}

/**
 * Has histories built anew, beside those that are searched. To ask for one is to record an event:
 * the node that carries events into the history does the work.
 */
export class Rebuilds {
  readonly #workspaces: Workspaces;
  readonly #store: EventStore;
  readonly #isStoreShared: boolean;

  /** @param isStoreShared Whether all nodes that there may be have one and the same store. */
  constructor(workspaces: Workspaces, store: EventStore, isStoreShared: boolean) {
    this.#workspaces = workspaces;
    this.#store = store;
    this.#isStoreShared = isStoreShared;
  }

  /**
   * Begins a rebuild; without effect where one is running.
   *
   * @throws ServiceError `workspace-not-found`; `limit-exceeded` where enough others are running.
   */
  async start(id: string, context: Context): Promise<RebuildState> {
    const workspace = await this.#find(id);
    if (!this.#isStoreShared) {
      throw new ServiceError(
        'invalid-request',
        'Each node has a history of its own here, and none could know when those of the others ' +
          'are rebuilt. Stop one node after the other, move its store.sqlite away and start it.',
      );
    }
    if (!workspace.histories.rebuild) {
      this.#assertRoom();
      const { current, next: generation } = workspace.histories;
      await recordStep(this.#workspaces, HISTORY.rebuilding, { ...current, generation }, context);
    }
    return this.#stateOf(workspace);
  }

  /** Gives a rebuild up, and what it has built; without effect where none is running. */
  async cancel(id: string, context: Context): Promise<RebuildState> {
    const workspace = await this.#find(id);
    const { rebuild } = workspace.histories;
    if (rebuild) {
      await recordStep(this.#workspaces, HISTORY.cancelled, rebuild.of, context);
    }
    return this.#stateOf(workspace);
  }

  async state(id: string): Promise<RebuildState> {
    return this.#stateOf(await this.#find(id));
  }

  /** As all nodes know it by now: who asked another one to begin may ask this one how far it is. */
  async #find(id: string): Promise<Workspace> {
    await this.#workspaces.catchUp();
    return this.#workspaces.require(id);
  }

  #assertRoom(): void {
    const running = this.#workspaces.list().filter(({ histories }) => histories.rebuild);
    if (running.length >= REBUILDS_MAX) {
      throw new ServiceError(
        'limit-exceeded',
        `${REBUILDS_MAX} histories are being rebuilt, as many as may at once. ` +
          'Wait for one of them.',
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    }
  }

  async #stateOf({ id, histories }: Workspace): Promise<RebuildState> {
    const { current, rebuild } = histories;
    const state = { workspace: id, generation: current.generation };
    if (!rebuild) {
      return state;
    }
    const { of, since } = rebuild;
    // What was trimmed of the old one is not built again.
    const [from, at, to] = await Promise.all([
      this.#store.trimmed(current),
      this.#store.checkpoint(of),
      this.#store.checkpoint(current),
    ]);
    const done = Math.max(at - from, 0);
    const seconds = Math.max((Date.now() - instant(since)) / 1000, 1);
    return {
      ...state,
      rebuilding: {
        generation: of.generation,
        since,
        done,
        total: Math.max(to - from, done),
        perSecond: Math.round(done / seconds),
      },
    };
  }
}
