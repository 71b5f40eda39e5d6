import type { Event, Incarnation } from '../event.js';
import { SYSTEM_WORKSPACE } from '../policy.js';
import { ownContext, type Context } from './context.js';
import type { Workspaces } from './workspaces.js';

/** The steps in the life of a history that takes the place of another, as events of `_system`. */
export const HISTORY = {
  /** A further generation is being built from the log, beside the one that is searched. */
  rebuilding: 'history.rebuilding',
  /** It is searched from now on, in place of the one before, which is to be dropped. */
  rebuilt: 'history.rebuilt',
  /** Nobody wants it any more; what there is of it is to be dropped. */
  cancelled: 'history.cancelled',
  /** Nothing is left of a generation that was to be dropped. */
  purged: 'history.purged',
} as const;

type Step = (typeof HISTORY)[keyof typeof HISTORY];

/** Tells every node of a step that a history takes; resolves when it is folded here. */
export async function recordStep(
  workspaces: Workspaces,
  step: Step,
  { id, epoch, generation }: Incarnation,
  context: Context = ownContext(SYSTEM_WORKSPACE),
): Promise<void> {
  await workspaces.record(step, { workspace: id, epoch, generation }, context);
}

/** A history that is being built. */
export interface Rebuild {
  readonly of: Incarnation;
  /** When that was asked for; ISO 8601. */
  readonly since: string;
}

/** A history that is to be dropped. */
export interface Obsolete {
  readonly of: Incarnation;
  /** It was searched until now, so that some queries may be at it, on this node or another. */
  readonly wasSearched: boolean;
}

/**
 * The histories of one workspace, folded from the system workspace: the one that is searched, the
 * one that is being built to take its place, and those that are to be dropped.
 */
export class Histories {
  #current: Incarnation;
  #rebuild: Rebuild | undefined;
  /** By generation. */
  readonly #obsolete = new Map<number, Obsolete>();
  #latest = 0;

  constructor(id: string, epoch: string) {
    this.#current = { id, epoch, generation: 0 };
  }

  /** The one that is searched. */
  get current(): Incarnation {
    return this.#current;
  }

  /** The one that is being built. */
  get rebuild(): Rebuild | undefined {
    return this.#rebuild;
  }

  get obsolete(): Obsolete[] {
    return [...this.#obsolete.values()];
  }

  /** Those into which events are to go. */
  get kept(): Incarnation[] {
    return [this.#current, ...(this.#rebuild ? [this.#rebuild.of] : [])];
  }

  /** All of which the store may hold something. */
  get all(): Incarnation[] {
    return [...this.kept, ...this.obsolete.map(({ of }) => of)];
  }

  /** The generation that a rebuild which begins now is of. */
  get next(): number {
    return this.#latest + 1;
  }

  /**
   * Takes a step that any node has recorded; tells whether it changed anything. Of two nodes that
   * begin, end or cancel at the same time, the one whose event comes first in the log does.
   */
  fold({ type, payload, createdAt }: Event): boolean {
    const generation = payload.generation as number;
    if (payload.epoch !== this.#current.epoch) {
      return false;
    }
    if (type === HISTORY.rebuilding) {
      return this.#begin(generation, createdAt);
    }
    if (type === HISTORY.purged) {
      return this.#obsolete.delete(generation);
    }
    const rebuild = this.#rebuild;
    if (rebuild?.of.generation !== generation) {
      return false;
    }
    if (type === HISTORY.rebuilt) {
      this.#drop(this.#current, true);
      this.#current = rebuild.of;
    } else if (type === HISTORY.cancelled) {
      this.#drop(rebuild.of, false);
    } else {
      return false;
    }
    this.#rebuild = undefined;
    return true;
  }

  #begin(generation: number, since: string): boolean {
    if (this.#rebuild || generation <= this.#latest) {
      return false;
    }
    this.#latest = generation;
    this.#rebuild = { of: { ...this.#current, generation }, since };
    return true;
  }

  #drop(of: Incarnation, wasSearched: boolean): void {
    this.#obsolete.set(of.generation, { of, wasSearched });
  }
}
