import { isDeepStrictEqual } from 'node:util';
import { ServiceError } from '../errors.js';
import type { Event, Incarnation, JsonObject, Position } from '../event.js';
import { once } from '../once.js';
import { isReserved, SYSTEM_WORKSPACE } from '../policy.js';
import type { Grants } from '../policy.roles.js';
import { policyOf, type RetentionPolicy } from '../retention.js';
import { ownContext, type Context } from './context.js';
import { Deletions, type Deletion } from './deletions.js';
import { Journal } from './journal.js';
import type { EventLog } from './log.js';
import { ownEvent } from './own.js';
import { Workspace, type WorkspaceConfig } from './workspace.js';

const CHANGES = {
  created: 'workspace.created',
  configured: 'workspace.configured',
  deleted: 'workspace.deleted',
  restored: 'workspace.restored',
  /** What was deleted cannot be restored any more. */
  purging: 'workspace.purging',
  /** Nothing is left of an incarnation that was deleted. */
  purged: 'workspace.purged',
} as const;

export interface WorkspacesOptions {
  /** Whether a first emit or subscription makes a workspace that does not exist. */
  readonly autoCreate: boolean;
  /** Of each workspace that does not say; those of the service itself are kept for ever. */
  readonly retention: Partial<RetentionPolicy>;
  /** Told of every event of the system workspace, those from before the start included. */
  readonly fold?: (event: Event) => void;
  /** Told when this node has folded what is not in the log any more: it has to start anew. */
  readonly onFatal?: (error: Error) => void;
}

const FOR_EVER: RetentionPolicy = { log: {}, history: {} };

/** Told of a workspace to which something has happened. */
type Listener = (workspace: Workspace) => void;

/**
 * The workspaces, folded from the system workspace: its events are the only record of them. Every
 * node folds them at start and follows; a change is visible here when its promise resolves.
 */
export class Workspaces {
  readonly #log: EventLog;
  readonly #options: WorkspacesOptions;
  readonly #system: Workspace;
  readonly #byId = new Map<string, Workspace>();
  readonly #deletions = new Deletions();
  readonly #creating = new Map<string, Promise<Workspace>>();
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #createdListeners: Listener[] = [];
  readonly #configuredListeners: Listener[] = [];
  readonly #deletedListeners: Listener[] = [];
  readonly #purgingListeners: Listener[] = [];
  readonly #historiesListeners: Listener[] = [];
  readonly #journal: Journal;

  private constructor(log: EventLog, epoch: string, options: WorkspacesOptions) {
    this.#log = log;
    this.#options = options;
    this.#system = new Workspace(SYSTEM_WORKSPACE, epoch, new Date(0).toISOString(), {});
    this.#byId.set(SYSTEM_WORKSPACE, this.#system);
    this.#journal = new Journal(log, epoch, {
      fold: this.#fold.bind(this),
      onFatal: options.onFatal ?? (() => undefined),
    });
  }

  /** Folds all there is, then follows. */
  static async open(log: EventLog, options: WorkspacesOptions): Promise<Workspaces> {
    const { epoch } = await log.create(SYSTEM_WORKSPACE, FOR_EVER.log);
    const workspaces = new Workspaces(log, epoch, options);
    workspaces.#journal.follow();
    await workspaces.catchUp();
    return workspaces;
  }

  /** The workspace, if this node knows it. */
  get(id: string): Workspace | undefined {
    return this.#byId.get(id);
  }

  list(): Workspace[] {
    return [...this.#byId.values()];
  }

  /** What was deleted and of which something may be left. */
  deleted(): Deletion[] {
    return this.#deletions.list();
  }

  /** Those of them whose grace is over, though they are still there. */
  overdue(): Workspace[] {
    return this.#deletions.overdue();
  }

  /** How long a workspace keeps its events, as it says itself or as the service decides. */
  retentionOf({ id, config }: Pick<Workspace, 'id' | 'config'>): RetentionPolicy {
    return isReserved(id) ? FOR_EVER : policyOf(config.retention ?? {}, this.#options.retention);
  }

  /** What a workspace grants, also one that is deleted: its owners may restore it. */
  grantsOf(id: string): Grants | undefined {
    return (this.#byId.get(id) ?? this.#deletions.restorable(id)?.workspace)?.grants;
  }

  /**
   * The workspace, also if another node has made it just now.
   *
   * @throws ServiceError `workspace-not-found`
   */
  async require(id: string): Promise<Workspace> {
    if (!this.#byId.has(id)) {
      await this.catchUp();
    }
    const workspace = this.#byId.get(id);
    if (!workspace) {
      throw new ServiceError(
        'workspace-not-found',
        `There is no workspace ${id}. ${this.#deletions.remedy(id)}`,
      );
    }
    return workspace;
  }

  /**
   * The workspace, made on the spot where that is allowed.
   *
   * @throws ServiceError `workspace-not-found`; `workspace-deleted` where one of that name can be
   *   restored.
   */
  async obtain(id: string, context: Context): Promise<Workspace> {
    if (this.#byId.has(id) || !this.#options.autoCreate || isReserved(id)) {
      return this.require(id);
    }
    return this.#create(id, {}, context);
  }

  /**
   * Makes a workspace, or gives it another configuration.
   *
   * @throws ServiceError `workspace-deleted` where one of that name can be restored.
   */
  async put(id: string, config: WorkspaceConfig, context: Context): Promise<Workspace> {
    // A first emit may be making it just now, without this configuration.
    await this.#creating.get(id);
    await this.catchUp();
    if (!this.#byId.has(id)) {
      const made = await this.#create(id, config, context);
      // An emit, or another node, may have been faster, with a configuration of its own.
      if (isDeepStrictEqual(made.config, config)) {
        return made;
      }
    }
    const { epoch } = await this.require(id);
    const payload = { workspace: id, epoch, config: config as JsonObject };
    await this.record(CHANGES.configured, payload, context);
    const workspace = await this.require(id);
    if (workspace.epoch !== epoch) {
      // Deleted and made again meanwhile, so that what was recorded is not of this one.
      return this.put(id, config, context);
    }
    await this.#log.retain(id, workspace.epoch, this.retentionOf(workspace).log);
    return workspace;
  }

  /**
   * Deletes a workspace: it is there for nobody any more, and can be restored for so many
   * milliseconds. With none, its log is gone as well, and soon its history; so is what of a
   * workspace that was deleted before could still be restored.
   *
   * @throws ServiceError `workspace-not-found`
   */
  async delete(id: string, context: Context, graceMs: number): Promise<void> {
    if (!this.#byId.has(id)) {
      await this.catchUp();
    }
    const before = graceMs === 0 ? this.#deletions.restorable(id)?.workspace : undefined;
    const { epoch } = before ?? (await this.require(id));
    return once(this.#deleting, `${id} ${graceMs}`, async () => {
      if (!before) {
        const purgeAt = new Date(this.#system.acceptedAt() + graceMs).toISOString();
        await this.record(CHANGES.deleted, { workspace: id, epoch, purgeAt }, context);
      }
      if (graceMs === 0) {
        await this.purge({ id, epoch }, context);
      }
    });
  }

  /**
   * Brings a deleted workspace back as it was, in its epoch; without effect on one that is not
   * deleted.
   *
   * @throws ServiceError `workspace-not-found` where there is none, or its purge has begun.
   */
  async restore(id: string, context: Context): Promise<Workspace> {
    await this.catchUp();
    const deletion = this.#deletions.restorable(id);
    if (deletion) {
      const { epoch } = deletion.workspace;
      await this.record(CHANGES.restored, { workspace: id, epoch }, context);
    }
    return this.require(id);
  }

  /**
   * Lets a deleted workspace go for good: its log at once, its history by who projects it, which
   * also sees to what a crash leaves behind. Of a restore and a purge at the same time, that is
   * done which the system workspace has first.
   */
  async purge({ id, epoch }: Pick<Workspace, 'id' | 'epoch'>, context: Context): Promise<void> {
    if (!this.#deletions.isPurging(epoch)) {
      await this.record(CHANGES.purging, { workspace: id, epoch }, context);
    }
    if (this.#deletions.isPurging(epoch)) {
      await this.#log.drop(id, epoch);
    }
  }

  /**
   * What the store knows an incarnation by; also where that is gone meanwhile, or not known yet.
   */
  historyOf(id: string, epoch: string): Incarnation {
    const known = this.#byId.get(id);
    return known?.epoch === epoch ? known.history : { id, epoch, generation: 0 };
  }

  /** Tells every node that nothing is left of what was deleted. */
  async purged({ id, epoch }: Workspace): Promise<void> {
    await this.record(CHANGES.purged, { workspace: id, epoch }, ownContext(SYSTEM_WORKSPACE));
  }

  /** Tells of each workspace that is made or restored from now on, on this node or another. */
  onCreated(listener: Listener): void {
    this.#createdListeners.push(listener);
  }

  /** Tells of each workspace that is deleted from now on, on this node or another. */
  onDeleted(listener: Listener): void {
    this.#deletedListeners.push(listener);
  }

  /** Tells of each workspace that is given another configuration, on this node or another. */
  onConfigured(listener: Listener): void {
    this.#configuredListeners.push(listener);
  }

  /** Tells of each workspace of which from now on nothing is to be left. */
  onPurging(listener: Listener): void {
    this.#purgingListeners.push(listener);
  }

  /** Tells of each step in the rebuild of a history from now on, on this node or another. */
  onHistories(listener: Listener): void {
    this.#historiesListeners.push(listener);
  }

  /**
   * Appends an event of the service itself to the system workspace; resolves when it is folded
   * here.
   */
  async record(type: string, payload: JsonObject, context: Context): Promise<Position> {
    const own = { workspaceId: SYSTEM_WORKSPACE, acceptedAt: this.#system.acceptedAt() };
    const event = ownEvent({ ...own, type, payload }, context);
    return this.#journal.append(event);
  }

  /** Folds what any node has recorded up to now. */
  catchUp(): Promise<void> {
    return this.#journal.catchUp();
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  /** Two emits at once make one workspace. Of two nodes at once, both events name the same log. */
  #create(id: string, config: WorkspaceConfig, context: Context): Promise<Workspace> {
    return once(this.#creating, id, async () => {
      await this.catchUp();
      this.#deletions.assertFree(id);
      const retention = this.retentionOf({ id, config });
      let { epoch } = await this.#log.create(id, retention.log);
      if (this.#deletions.isPurging(epoch)) {
        // The old log is still there, with all that is to go.
        await this.#log.drop(id, epoch);
        ({ epoch } = await this.#log.create(id, retention.log));
      }
      const payload = { workspace: id, epoch, config: config as JsonObject };
      await this.record(CHANGES.created, payload, context);
      return this.require(id);
    });
  }

  #fold(event: Event): void {
    const { type, createdAt, payload } = event;
    const id = payload.workspace as string;
    const epoch = payload.epoch as string;
    const known = this.#byId.get(id);
    // A node that did not know of a deletion may have taken the log that is left for a new one.
    if (type === CHANGES.created && !known && !this.#deletions.has(epoch)) {
      this.#appear(new Workspace(id, epoch, createdAt, payload.config as WorkspaceConfig));
    } else if (type === CHANGES.configured) {
      this.#configure(known, event);
    } else if (type === CHANGES.deleted && known?.epoch === epoch) {
      this.#byId.delete(id);
      const { purging } = this.#deletions.add(known, event);
      tell(this.#deletedListeners, known);
      tell(this.#purgingListeners, purging ? known : undefined);
    } else if (type === CHANGES.restored && !known) {
      this.#appear(this.#deletions.restore(epoch));
    } else if (type === CHANGES.purging) {
      tell(this.#purgingListeners, this.#deletions.purge(epoch));
    } else if (type === CHANGES.purged) {
      this.#deletions.purged(epoch);
    } else {
      this.#foldHistories(known, event);
    }
    this.#options.fold?.(event);
  }

  /** Earlier releases did not record the epoch: then it is of the one that there was. */
  #configure(known: Workspace | undefined, { payload }: Event): void {
    const { epoch = known?.epoch } = payload;
    if (known && epoch === known.epoch) {
      known.config = payload.config as WorkspaceConfig;
      tell(this.#configuredListeners, known);
    }
  }

  /** Also of what was deleted: a rebuild goes on, as what is restored is to be whole. */
  #foldHistories(known: Workspace | undefined, event: Event): void {
    const epoch = event.payload.epoch as string;
    const workspace = known?.epoch === epoch ? known : this.#deletions.kept(epoch);
    if (workspace?.histories.fold(event) === true) {
      tell(this.#historiesListeners, workspace);
    }
  }

  #appear(workspace: Workspace | undefined): void {
    if (workspace) {
      this.#byId.set(workspace.id, workspace);
      tell(this.#createdListeners, workspace);
    }
  }
}

/** Where it is about a workspace at all. */
function tell(listeners: readonly Listener[], workspace: Workspace | undefined): void {
  if (workspace) {
    listeners.forEach((listener) => {
      listener(workspace);
    });
  }
}
