import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Event, type JsonObject, type Position } from '../event.js';
import { logger } from '../logger.js';
import { isReserved, SYSTEM_WORKSPACE } from '../policy.js';
import type { Context } from './context.js';
import type { EventLog } from './log.js';
import { ownEvent } from './own.js';

/** What the owner of a workspace decides about it. `schemas/openapi.yaml` holds its schema. */
export interface WorkspaceConfig {
  description?: string;
  /** Payload paths whose values are removed before anything is recorded. */
  redact?: string[];
  /** Payload paths that give way, in this order, where an event is too large. */
  fit?: string[];
}

/** A tenant, as the system workspace tells. */
export class Workspace {
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
} as const;

const RESTART_MS = 1000;
const READ_BYTES = 1024 * 1024;

/**
 * The workspaces, folded from the system workspace: its events are the only record of them. Every
 * node folds them at start and follows; a change is visible here when its promise resolves.
 */
export class Workspaces {
  readonly #log: EventLog;
  readonly #autoCreate: boolean;
  readonly #byId = new Map<string, Workspace>();
  /** Deleted and not made again, with their epochs: what is left of them is to go. */
  readonly #deleted = new Map<string, string>();
  readonly #creating = new Map<string, Promise<Workspace>>();
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #changed = new Set<() => void>();
  readonly #createdListeners: ((id: string) => void)[] = [];
  readonly #deletedListeners: ((id: string) => void)[] = [];
  readonly #stopping = new AbortController();
  #folded: Position = BEFORE_FIRST;
  #following: Promise<void> = Promise.resolve();

  private constructor(log: EventLog, autoCreate: boolean) {
    this.#log = log;
    this.#autoCreate = autoCreate;
  }

  /** Folds all there is, then follows. */
  static async open(log: EventLog, autoCreate: boolean): Promise<Workspaces> {
    const workspaces = new Workspaces(log, autoCreate);
    const { epoch, next } = await log.create(SYSTEM_WORKSPACE, {});
    const system = new Workspace(SYSTEM_WORKSPACE, epoch, new Date(0).toISOString(), {});
    workspaces.#byId.set(SYSTEM_WORKSPACE, system);
    while (workspaces.#folded < next - 1) {
      const { records } = await log.read(SYSTEM_WORKSPACE, workspaces.#folded, READ_BYTES);
      for (const { position, event } of records) {
        workspaces.#fold(position, event);
      }
    }
    for (const id of workspaces.#deleted.keys()) {
      await log.drop(id);
    }
    workspaces.#following = workspaces.#follow();
    return workspaces;
  }

  get(id: string): Workspace | undefined {
    return this.#byId.get(id);
  }

  list(): Workspace[] {
    return [...this.#byId.values()];
  }

  /** @throws ServiceError `workspace-not-found` */
  require(id: string): Workspace {
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
    const workspace = this.#byId.get(id);
    if (workspace || !this.#autoCreate || isReserved(id)) {
      return workspace ?? this.require(id);
    }
    return this.#create(id, {}, context);
  }

  /** Makes a workspace, or gives it another configuration. */
  async put(id: string, config: WorkspaceConfig, context: Context): Promise<Workspace> {
    // A first emit may be making it just now, without this configuration.
    await this.#creating.get(id);
    if (!this.#byId.has(id)) {
      return this.#create(id, config, context);
    }
    await this.record(CHANGES.configured, { workspace: id, config: config as JsonObject }, context);
    return this.require(id);
  }

  /**
   * Deletes a workspace and its log. The event comes first: a crash in between leaves a log that
   * nothing refers to, and the start cleans it up. Two deletions at once are one: the drop of the
   * second could meet the log of a workspace that was made in between.
   */
  async delete(id: string, context: Context): Promise<void> {
    const { epoch } = this.require(id);
    return once(this.#deleting, id, async () => {
      await this.record(CHANGES.deleted, { workspace: id, epoch }, context);
      await this.#log.drop(id);
    });
  }

  /** Tells of each workspace that is there now or is made later, on this node or another. */
  onCreated(listener: (id: string) => void): void {
    this.#createdListeners.push(listener);
    for (const id of this.#byId.keys()) {
      listener(id);
    }
  }

  /** Tells of each workspace that was deleted before, or is from now on. */
  onDeleted(listener: (id: string) => void): void {
    this.#deletedListeners.push(listener);
    for (const id of this.#deleted.keys()) {
      listener(id);
    }
  }

  /**
   * Appends an event of the service itself to the system workspace; resolves when it is folded
   * here.
   */
  async record(type: string, payload: JsonObject, context: Context): Promise<Position> {
    const system = this.require(SYSTEM_WORKSPACE);
    const acceptedAt = system.acceptedAt();
    const event = ownEvent({ workspaceId: system.id, type, payload, acceptedAt }, context);
    const position = await this.#log.append(SYSTEM_WORKSPACE, [event]);
    await this.#until(() => this.#folded >= position);
    return position;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
  }

  /** Two emits at once make one workspace. Of two nodes at once, both events name the same log. */
  #create(id: string, config: WorkspaceConfig, context: Context): Promise<Workspace> {
    return once(this.#creating, id, async () => {
      // A deletion that still runs would drop the log that is made here.
      await this.#deleting.get(id)?.catch(() => undefined);
      let { epoch } = await this.#log.create(id, {});
      if (epoch === this.#deleted.get(id)) {
        // A deletion that failed has left the old log behind, with all that was to go.
        await this.#log.drop(id);
        ({ epoch } = await this.#log.create(id, {}));
      }
      const payload = { workspace: id, epoch, config: config as JsonObject };
      await this.record(CHANGES.created, payload, context);
      return this.require(id);
    });
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const { records } of this.#log.follow(SYSTEM_WORKSPACE, this.#folded, signal)) {
          for (const { position, event } of records) {
            this.#fold(position, event);
          }
          for (const look of [...this.#changed]) {
            look();
          }
        }
      } catch (error) {
        logger.error({ err: error }, 'cannot follow the system workspace, trying again');
        await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      }
    }
  }

  #fold(position: Position, { type, createdAt, payload }: Event): void {
    this.#folded = position;
    const id = payload.workspace as string;
    const known = this.#byId.get(id);
    if (type === CHANGES.created && !known) {
      const config = payload.config as WorkspaceConfig;
      this.#byId.set(id, new Workspace(id, payload.epoch as string, createdAt, config));
      this.#deleted.delete(id);
      this.#createdListeners.forEach((listener) => {
        listener(id);
      });
    } else if (type === CHANGES.configured && known) {
      known.config = payload.config as WorkspaceConfig;
    } else if (type === CHANGES.deleted && known?.epoch === payload.epoch) {
      this.#byId.delete(id);
      this.#deleted.set(id, payload.epoch!);
      this.#deletedListeners.forEach((listener) => {
        listener(id);
      });
    }
  }

  async #until(holds: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (holds()) {
          this.#changed.delete(look);
          resolve();
        }
      };
      this.#changed.add(look);
      look();
    });
  }
}

/** What is asked for while it is being done is done once, for all who asked. */
function once<T>(running: Map<string, Promise<T>>, id: string, work: () => Promise<T>): Promise<T> {
  let result = running.get(id);
  if (!result) {
    result = work().finally(() => running.delete(id));
    running.set(id, result);
  }
  return result;
}
