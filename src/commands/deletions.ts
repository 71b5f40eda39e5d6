import { ServiceError } from '../errors.js';
import type { Event } from '../event.js';
import type { Workspace } from './workspace.js';

/** A workspace that was deleted, while something of it may be left. */
export interface Deletion {
  readonly workspace: Workspace;
  /** RFC 3339, as `purgeAt`. */
  readonly deletedAt: string;
  /** Until then it can be restored; after that its log and its history go. */
  readonly purgeAt: string;
  /** They are going: it cannot be restored any more. */
  readonly purging: boolean;
}

/** What was deleted and is not yet gone, as the events of the system workspace tell. */
export class Deletions {
  readonly #byEpoch = new Map<string, Deletion>();

  list(): Deletion[] {
    return [...this.#byEpoch.values()];
  }

  /** The workspace of an epoch, as long as it can be restored. */
  kept(epoch: string): Workspace | undefined {
    const deletion = this.#byEpoch.get(epoch);
    return deletion?.purging === false ? deletion.workspace : undefined;
  }

  /** Whether an incarnation is among them. */
  has(epoch: string): boolean {
    return this.#byEpoch.has(epoch);
  }

  /** Whether it is going for good. */
  isPurging(epoch: string): boolean {
    return this.#byEpoch.get(epoch)?.purging === true;
  }

  /** The one of a name that can be restored: while there is one, there is no other of that name. */
  restorable(id: string): Deletion | undefined {
    return this.list().find(({ workspace, purging }) => workspace.id === id && !purging);
  }

  /** Those that can still be restored, though their grace is over. */
  overdue(): Workspace[] {
    const now = new Date().toISOString();
    return this.list().flatMap(({ workspace, purgeAt, purging }) =>
      purging || purgeAt > now ? [] : [workspace],
    );
  }

  /** @throws ServiceError `workspace-deleted` while one of the name can be restored. */
  assertFree(id: string): void {
    const deletion = this.restorable(id);
    if (deletion) {
      throw new ServiceError(
        'workspace-deleted',
        `The workspace ${id} was deleted, and keeps its name until ${deletion.purgeAt}. ` +
          `${toRestore(id)}, or purge it with DELETE /v2/workspaces/${id}?grace=0.`,
      );
    }
  }

  /** For who asks for a workspace that there is not: what can be done about that. */
  remedy(id: string): string {
    const deletion = this.restorable(id);
    return deletion
      ? `It was deleted. ${toRestore(id)}, until ${deletion.purgeAt}.`
      : `Make it with PUT /v2/workspaces/${id}.`;
  }

  add(workspace: Workspace, { createdAt: deletedAt, payload }: Event): Deletion {
    // Where none is told it is of a release that gave no grace. Both are in UTC and equally long.
    const { purgeAt = deletedAt } = payload as { purgeAt?: string };
    const deletion = { workspace, deletedAt, purgeAt, purging: purgeAt <= deletedAt };
    this.#byEpoch.set(workspace.epoch, deletion);
    return deletion;
  }

  /** The workspace that is back; nothing where its purge has begun. */
  restore(epoch: string): Workspace | undefined {
    const deletion = this.#byEpoch.get(epoch);
    if (!deletion || deletion.purging) {
      return undefined;
    }
    this.#byEpoch.delete(epoch);
    return deletion.workspace;
  }

  /** The workspace that goes now; nothing where that has begun before, or it was restored. */
  purge(epoch: string): Workspace | undefined {
    const deletion = this.#byEpoch.get(epoch);
    if (!deletion || deletion.purging) {
      return undefined;
    }
    this.#byEpoch.set(epoch, { ...deletion, purging: true });
    return deletion.workspace;
  }

  /** Nothing is left of it. */
  purged(epoch: string): void {
    this.#byEpoch.delete(epoch);
  }
}

function toRestore(id: string): string {
  return `Restore it with POST /v2/workspaces/${id}/restore`;
}
