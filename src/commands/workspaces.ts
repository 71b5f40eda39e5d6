import { ServiceError } from '../errors.js';
import {
  BEFORE_FIRST,
  eventOf,
  type Event,
  type Incarnation,
  type JsonObject,
  type Position,
  type Recorded,
} from '../event.js';
import { logger } from '../logger.js';
import { pause } from '../pause.js';
import { isReserved, SYSTEM_WORKSPACE } from '../policy.js';
import type { Grants, GrantsJson } from '../policy.roles.js';
import { ownContext, type Context } from './context.js';
import { grantsOf } from './grants.js';
import type { EventLog, Retention } from './log.js';
import { once } from './once.js';
import { ownEvent } from './own.js';

/** What the owner of a workspace decides about it. `schemas/openapi.yaml` holds its schema. */
export interface WorkspaceConfig extends GrantsJson {
  description?: string;
  /** Paths in payload and source whose values are removed before anything is recorded. */
  redact?: string[];
  /** Payload paths that give way, in this order, where an event is too large. */
  fit?: string[];
}

/** A tenant, as the system workspace tells. */
export class Workspace implements Incarnation {
  readonly id: string;
  /** Names this incarnation; cursors of another one are of no use here. */
  readonly epoch: string;
  readonly createdAt: string;
  config: WorkspaceConfig;
  /** Whether the node remembers the ids of the latest events, for idempotency. */
  warm = false;
  warming: Promise<void> | undefined;
  #acceptedAt = 0;

  constructor(id: string, epoch: string, createdAt: string, config: WorkspaceConfig) {
    this.id = id;
    this.epoch = epoch;
    this.createdAt = createdAt;
    this.config = config;
  }

  /** Who may do what here, beside those who are known from elsewhere. */
  get grants(): Grants {
    return grantsOf(this.config);
  }

  /** What the store knows it by. */
  get history(): Incarnation {
    return { id: this.id, epoch: this.epoch };
  }

  /**
   * When an event is accepted, in epoch milliseconds: now, but never before the one before it, as
   * clocks step back.
   *
   * @param now Of an event from before the start, when it was accepted.
   */
  acceptedAt(now = Date.now()): number {
    this.#acceptedAt = Math.max(this.#acceptedAt, now);
    return this.#acceptedAt;
  }
}

const CHANGES = {
  created: 'workspace.created',
  configured: 'workspace.configured',
  deleted: 'workspace.deleted',
  /** Nothing is left of an incarnation that was deleted. */
  purged: 'workspace.purged',
} as const;

export interface WorkspacesOptions {
  /** Whether a first emit or subscription makes a workspace that does not exist. */
  readonly autoCreate: boolean;
  /** Of the log of each workspace; that of the service itself is kept for ever. */
  readonly retention: Retention;
  /** Told of every event of the system workspace, those from before the start included. */
  readonly fold?: (event: Event) => void;
}

const RESTART_MS = 1000;

/**
 * The workspaces, folded from the system workspace: its events are the only record of them. Every
 * node folds them at start and follows; a change is visible here when its promise resolves.
 */
export class Workspaces {
  readonly #log: EventLog;
  readonly #options: WorkspacesOptions;
  readonly #system: Workspace;
  readonly #byId = new Map<string, Workspace>();
  /** Deleted, and something of them may be left; by epoch. */
  readonly #deleted = new Map<string, Incarnation>();
  readonly #creating = new Map<string, Promise<Workspace>>();
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #changed = new Set<() => void>();
  readonly #createdListeners: ((workspace: Workspace) => void)[] = [];
  readonly #configuredListeners: ((workspace: Workspace) => void)[] = [];
  readonly #deletedListeners: ((deleted: Incarnation) => void)[] = [];
  readonly #stopping = new AbortController();
  #folded: Position = BEFORE_FIRST;
  #following: Promise<void> = Promise.resolve();

  private constructor(log: EventLog, epoch: string, options: WorkspacesOptions) {
    this.#log = log;
    this.#options = options;
    this.#system = new Workspace(SYSTEM_WORKSPACE, epoch, new Date(0).toISOString(), {});
    this.#byId.set(SYSTEM_WORKSPACE, this.#system);
  }

  /** Folds all there is, then follows. */
  static async open(log: EventLog, options: WorkspacesOptions): Promise<Workspaces> {
    const { epoch } = await log.create(SYSTEM_WORKSPACE, {});
    const workspaces = new Workspaces(log, epoch, options);
    workspaces.#following = workspaces.#follow();
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
  deleted(): Incarnation[] {
    return [...this.#deleted.values()];
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
        `There is no workspace ${id}. Make it with PUT /v2/workspaces/${id}.`,
      );
    }
    return workspace;
  }

  /** The workspace, made on the spot where that is allowed. */
  async obtain(id: string, context: Context): Promise<Workspace> {
    if (this.#byId.has(id) || !this.#options.autoCreate || isReserved(id)) {
      return this.require(id);
    }
    return this.#create(id, {}, context);
  }

  /** Makes a workspace, or gives it another configuration. */
  async put(id: string, config: WorkspaceConfig, context: Context): Promise<Workspace> {
    // A first emit may be making it just now, without this configuration.
    await this.#creating.get(id);
    await this.catchUp();
    if (!this.#byId.has(id)) {
      return this.#create(id, config, context);
    }
    const { epoch } = await this.require(id);
    const payload = { workspace: id, epoch, config: config as JsonObject };
    await this.record(CHANGES.configured, payload, context);
    return this.require(id);
  }

  /**
   * Deletes a workspace and its log. The event comes first: what a crash in between leaves behind
   * is purged by the projection, as the history is.
   */
  async delete(id: string, context: Context): Promise<void> {
    const { epoch } = await this.require(id);
    return once(this.#deleting, id, async () => {
      await this.record(CHANGES.deleted, { workspace: id, epoch }, context);
      await this.#log.drop(id, epoch);
    });
  }

  /** Tells every node that nothing is left of what was deleted. */
  async purged({ id, epoch }: Incarnation): Promise<void> {
    await this.record(CHANGES.purged, { workspace: id, epoch }, ownContext(SYSTEM_WORKSPACE));
  }

  /** Tells of each workspace that is made from now on, on this node or another. */
  onCreated(listener: (workspace: Workspace) => void): void {
    this.#createdListeners.push(listener);
  }

  /** Tells of each workspace that is deleted from now on, on this node or another. */
  onDeleted(listener: (deleted: Incarnation) => void): void {
    this.#deletedListeners.push(listener);
  }

  /** Tells of each workspace that is given another configuration, on this node or another. */
  onConfigured(listener: (workspace: Workspace) => void): void {
    this.#configuredListeners.push(listener);
  }

  /**
   * Appends an event of the service itself to the system workspace; resolves when it is folded
   * here.
   */
  async record(type: string, payload: JsonObject, context: Context): Promise<Position> {
    const own = { workspaceId: SYSTEM_WORKSPACE, acceptedAt: this.#system.acceptedAt() };
    const event = ownEvent({ ...own, type, payload }, context);
    const position = await this.#log.append(SYSTEM_WORKSPACE, [event]);
    await this.#until(() => this.#folded >= position);
    return position;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    this.#tellChanged();
  }

  /** Two emits at once make one workspace. Of two nodes at once, both events name the same log. */
  #create(id: string, config: WorkspaceConfig, context: Context): Promise<Workspace> {
    return once(this.#creating, id, async () => {
      let { epoch } = await this.#log.create(id, this.#options.retention);
      if (this.#deleted.has(epoch)) {
        // The old log is still there, with all that is to go.
        await this.#log.drop(id, epoch);
        ({ epoch } = await this.#log.create(id, this.#options.retention));
      }
      const payload = { workspace: id, epoch, config: config as JsonObject };
      await this.record(CHANGES.created, payload, context);
      return this.require(id);
    });
  }

  /** Folds what any node has recorded up to now. */
  async catchUp(): Promise<void> {
    const { next } = await this.#log.bounds(SYSTEM_WORKSPACE);
    await this.#until(() => this.#folded >= next - 1);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const { records } of this.#log.follow(SYSTEM_WORKSPACE, this.#folded, signal)) {
          for (const record of records) {
            this.#fold(record);
          }
          this.#tellChanged();
        }
      } catch (error) {
        logger.error({ err: error }, 'cannot follow the system workspace, trying again');
        await pause(RESTART_MS, signal);
      }
    }
  }

  #fold(record: Recorded): void {
    this.#folded = record.position;
    const event = eventOf(record);
    if (!event) {
      logger.error(
        { position: record.position },
        'the system workspace has a record that is no event',
      );
      return;
    }
    const { type, createdAt, payload } = event;
    const id = payload.workspace as string;
    const epoch = payload.epoch as string;
    const known = this.#byId.get(id);
    if (type === CHANGES.created && !known) {
      const made = new Workspace(id, epoch, createdAt, payload.config as WorkspaceConfig);
      this.#byId.set(id, made);
      this.#createdListeners.forEach((listener) => {
        listener(made);
      });
    } else if (type === CHANGES.configured && known) {
      known.config = payload.config as WorkspaceConfig;
      this.#configuredListeners.forEach((listener) => {
        listener(known);
      });
    } else if (type === CHANGES.deleted && known?.epoch === epoch) {
      this.#byId.delete(id);
      this.#deleted.set(epoch, known);
      this.#deletedListeners.forEach((listener) => {
        listener(known);
      });
    } else if (type === CHANGES.purged) {
      this.#deleted.delete(epoch);
    }
    this.#options.fold?.(event);
  }

  #tellChanged(): void {
    for (const look of [...this.#changed]) {
      look();
    }
  }

  /** @throws ServiceError `unavailable` when the node stops before it holds. */
  async #until(holds: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (holds()) {
          resolve();
        } else if (this.#stopping.signal.aborted) {
          reject(new ServiceError('unavailable', 'The node is stopping.'));
        } else {
          return;
        }
        this.#changed.delete(look);
      };
      this.#changed.add(look);
      look();
    });
  }
}
