import { HISTORY, recordStep } from '../commands/histories.js';
import type { Workspace } from '../commands/workspace.js';
import type { Workspaces } from '../commands/workspaces.js';
import { BEFORE_FIRST, type Incarnation, type Position } from '../event.js';
import { logger } from '../logger.js';
import { metrics } from '../metrics.js';
import { pause } from '../pause.js';
import { Projection, type Ends } from './projection.js';
import type { RebuildPace } from './rebuild.pace.js';
import { pastAndLog } from './rebuild.past.js';

/** Between two looks at how far it has come. */
const POLL_MS = 20;

/** A history that comes in less to where the old one was keeps up with it. */
const KEEPS_UP_MS = 1_000;

export interface RebuildOptions {
  readonly workspace: Workspace;
  /** The generation that is to be built. */
  readonly of: Incarnation;
  readonly ends: Ends;
  readonly workspaces: Workspaces;
  readonly pace: RebuildPace;
  /** What carries events into the old history on this node. */
  readonly current: () => Projection | undefined;
}

/**
 * Builds a history of a workspace anew, beside the one that is searched, and has it take that one's
 * place. Both go on with what is emitted meanwhile, and how far the new one is, is in the store: so
 * it may be cut short at any moment, and goes on from there, on this node or another.
 */
export class Rebuilder {
  readonly #projection: Projection;
  readonly #options: RebuildOptions;
  readonly #old: Incarnation;
  /** How long it rests after a write, as many times as the write has taken. */
  #rest = 1;

  constructor(options: RebuildOptions) {
    const { workspace, of, ends, pace } = options;
    this.#options = options;
    this.#old = workspace.history;
    this.#projection = new Projection(of, ends, {
      read: (after, signal) => pastAndLog(this.#old, ends, after, signal),
      // Read ahead, it would hold what waits for its turn.
      writesMax: 1,
      spend: (bytes, write) => pace.spend(bytes, write, this.#rest),
      counter: metrics.rebuilt,
    });
  }

  /** How far the new history is, once that is known. */
  get checkpoint(): Position | undefined {
    return this.#projection.checkpoint;
  }

  /**
   * Goes on until the new history has taken the place of the old one, or the signal aborts.
   *
   * @throws Whatever log or store fail with. To run again is safe.
   */
  async run(signal: AbortSignal): Promise<void> {
    await this.#inherit();
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    const ends = await Promise.allSettled(
      [this.#projection.run(either), this.#takePlace(either)].map((work) =>
        work.finally(() => {
          ending.abort();
        }),
      ),
    );
    for (const end of ends) {
      if (end.status === 'rejected') {
        throw end.reason;
      }
    }
  }

  /**
   * Takes the place of the old history once nothing of that is missing. Its checkpoint rests then,
   * so that no search, on any node, has found what another does not find a moment later.
   */
  async #takePlace(signal: AbortSignal): Promise<void> {
    const { of, ends, current } = this.#options;
    if (!(await this.#keepsUp(signal))) {
      return;
    }
    // Most of it already here, where nothing rests for it.
    await ends.store.settle(of);
    const replace = async (): Promise<void> => {
      await this.#inherit();
      if (await this.#reached(signal)) {
        // The log may have forgotten what only the old one has for good so far.
        await ends.store.settle(of);
        await recordStep(this.#options.workspaces, HISTORY.rebuilt, of);
        logger.info({ workspaceId: of.id, generation: of.generation }, 'a history was rebuilt');
      }
    };
    await (current()?.hold(replace) ?? replace());
  }

  /** Resolves when it is hardly behind the old history any more; false where it is cut short. */
  async #keepsUp(signal: AbortSignal): Promise<boolean> {
    for (let tookBefore = Infinity; ;) {
      const began = performance.now();
      if (!(await this.#reached(signal))) {
        return false;
      }
      const took = performance.now() - began;
      if (took < KEEPS_UP_MS) {
        return true;
      }
      if (took > tookBefore / 2) {
        // So much is emitted that it does not come nearer: it can spare the others no longer.
        this.#rest /= 2;
      }
      tookBefore = took;
    }
  }

  /** Resolves when it is where the old history is now; false where it is cut short before. */
  async #reached(signal: AbortSignal): Promise<boolean> {
    const { log, store } = this.#options.ends;
    const { next } = await log.bounds(this.#old.id);
    // A log that has lost its end may not be so far any more.
    const goal = Math.min(await store.checkpoint(this.#old), next - 1);
    while (!signal.aborted) {
      if (this.checkpoint !== undefined && this.checkpoint >= goal) {
        return true;
      }
      await pause(POLL_MS, signal);
    }
    return false;
  }

  /** What was trimmed of the old history must not come back in this one; what it lost cannot. */
  async #inherit(): Promise<void> {
    const { of, ends } = this.#options;
    await ends.store.lose(of, await ends.store.losses(this.#old));
    const trimmed = await ends.store.trimmed(this.#old);
    if (trimmed === BEFORE_FIRST) {
      return;
    }
    for await (const removed of ends.store.trim(of, trimmed)) {
      logger.debug({ workspaceId: of.id, removed }, 'trimmed a history that is being rebuilt');
    }
    await ends.store.advance(of, trimmed);
  }
}
