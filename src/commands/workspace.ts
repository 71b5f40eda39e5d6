import type { Incarnation } from '../event.js';
import type { Grants, GrantsJson } from '../policy.roles.js';
import type { QuotasJson } from '../quota.js';
import type { RetentionConfig } from '../retention.js';
import { grantsOf } from './grants.js';
import { Histories } from './histories.js';

/** What the owner of a workspace decides about it. `schemas/openapi.yaml` holds its schema. */
export interface WorkspaceConfig extends GrantsJson {
  description?: string;
  /** Paths in payload and source whose values are removed before anything is recorded. */
  redact?: string[];
  /** Payload paths that give way, in this order, where an event is too large. */
  fit?: string[];
  /** How long, and how much, is kept. */
  retention?: RetentionConfig;
  /** How much may be taken of a node here; superadmins alone decide. */
  quotas?: QuotasJson;
}

/** A tenant, as the system workspace tells. */
export class Workspace {
  readonly id: string;
  /** Names this incarnation; cursors of another one are of no use here. */
  readonly epoch: string;
  readonly createdAt: string;
  readonly histories: Histories;
  config: WorkspaceConfig;
  /** Whether the node remembers the ids of the latest events, for idempotency. */
  warm = false;
  #acceptedAt = 0;

  constructor(id: string, epoch: string, createdAt: string, config: WorkspaceConfig) {
    this.id = id;
    this.epoch = epoch;
    this.createdAt = createdAt;
    this.histories = new Histories(id, epoch);
    this.config = config;
  }

  /** Who may do what here, beside those who are known from elsewhere. */
  get grants(): Grants {
    return grantsOf(this.config);
  }

  /** What the store knows it by; another one from the moment when a rebuilt one takes its place. */
  get history(): Incarnation {
    return this.histories.current;
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
