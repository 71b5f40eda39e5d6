import type { Position } from '../event.js';
import type { Workspace } from './workspace.js';

/** One append of a batch, from the moment that it was asked for. */
export interface Run {
  appended: Promise<Position>;
}

/** Where an event went: `offset` places after the first of its run. */
export interface Remembered {
  readonly run: Run;
  readonly offset: number;
}

type Generation = Map<Workspace, Map<string, Remembered>>;

/**
 * The event ids that this node has lately seen, so that a retry gets the first position again.
 *
 * Two generations instead of a list in order of use: when the younger one holds half of what may be
 * held, the older one is let go. That costs nothing per look-up and bounds the memory of the node,
 * whatever the number of workspaces. A workspace that was deleted and made again is another one, in
 * which the same ids may come again: so they are kept by the object and not by the name.
 */
export class RecentIds {
  readonly #sizeMax: number;
  #young: Generation = new Map();
  #old: Generation = new Map();
  #youngSize = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get(workspace: Workspace, id: string): Remembered | undefined {
    return this.#young.get(workspace)?.get(id) ?? this.#old.get(workspace)?.get(id);
  }

  remember(workspace: Workspace, id: string, remembered: Remembered): void {
    if (this.#youngSize >= this.#sizeMax / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngSize = 0;
    }
    let ids = this.#young.get(workspace);
    if (!ids) {
      ids = new Map();
      this.#young.set(workspace, ids);
    }
    ids.set(id, remembered);
    this.#youngSize++;
  }

  forget(workspace: Workspace, id: string): void {
    this.#young.get(workspace)?.delete(id);
    this.#old.get(workspace)?.delete(id);
  }
}
