import { ownContext } from '../commands/context.js';
import type { EventLog } from '../commands/log.js';
import { ownEvent } from '../commands/own.js';
import type { Workspaces } from '../commands/workspaces.js';
import { BEFORE_FIRST, nameOf, Recorded, type Incarnation, type Position } from '../event.js';
import { logger } from '../logger.js';
import type { EventStore } from './store.js';

/** An event that the store refused for good. */
export interface DeadLetter {
  readonly workspace: string;
  readonly epoch: string;
  readonly position: Position;
  readonly reason: string;
  readonly parkedAt: string;
  /** The event’s own bytes, so that a replay does not depend on how long the log keeps it. */
  readonly text: string;
}

export interface Replayed {
  readonly replayed: number;
  /** Still refused; they stay parked. */
  readonly refused: number;
}

const LOG = '_deadletters';
const PARKED = 'deadletter.parked';
const REPLAYED = 'deadletter.replayed';
const READ_BYTES = 1024 * 1024;

/**
 * The dead-letter log: what was parked, and what became of it. It is read only when an operator
 * asks, so it is folded then and not held in memory.
 */
export class DeadLetters {
  readonly #log: EventLog;
  readonly #store: EventStore;
  readonly #workspaces: Workspaces;

  private constructor(log: EventLog, store: EventStore, workspaces: Workspaces) {
    this.#log = log;
    this.#store = store;
    this.#workspaces = workspaces;
  }

  static async open(
    log: EventLog,
    store: EventStore,
    workspaces: Workspaces,
  ): Promise<DeadLetters> {
    await log.create(LOG, {});
    return new DeadLetters(log, store, workspaces);
  }

  async park({ id, epoch }: Incarnation, record: Recorded, reason: string): Promise<void> {
    const { position, bytes } = record;
    logger.warn({ workspaceId: id, position, reason }, 'the store refused an event');
    const text = Buffer.from(bytes).toString();
    await this.#append(PARKED, { workspace: id, epoch, position, reason, text });
  }

  /** The parked ones, oldest first, of one workspace or of all. */
  async list(workspace: string | undefined, limit: number): Promise<DeadLetter[]> {
    const parked = new Map<string, DeadLetter>();
    const { next } = await this.#log.bounds(LOG);
    let after = BEFORE_FIRST;
    while (after < next - 1) {
      const { records } = await this.#log.read(LOG, after, READ_BYTES);
      if (records.length === 0) {
        break;
      }
      for (const { position, event } of records) {
        after = position;
        const letter = { ...event.payload, parkedAt: event.createdAt } as unknown as DeadLetter;
        const key = `${letter.workspace}/${letter.epoch}/${String(letter.position)}`;
        if (event.type === REPLAYED) {
          parked.delete(key);
        } else if (workspace === undefined || letter.workspace === workspace) {
          parked.set(key, letter);
        }
      }
    }
    // What was parked of a workspace that is gone has gone with it.
    return [...parked.values()]
      .filter((letter) => this.#workspaces.get(letter.workspace)?.epoch === letter.epoch)
      .slice(0, limit);
  }

  /** Writes the parked ones again, oldest first, also into a history that is being rebuilt. */
  async replay(workspace: string | undefined, limit: number): Promise<Replayed> {
    const letters = await this.list(workspace, limit);
    const written: DeadLetter[] = [];
    const incarnations = new Map<string, Incarnation>();
    for (const letter of letters) {
      const known = this.#workspaces.get(letter.workspace);
      const kept = known?.epoch === letter.epoch ? known.histories.kept : [];
      const record = new Recorded(letter.position, Buffer.from(letter.text));
      const outcomes = await Promise.all(kept.map((of) => this.#store.write(of, [record])));
      if (outcomes.flat().every((outcome) => typeof outcome === 'string')) {
        written.push(letter);
        kept.forEach((of) => incarnations.set(nameOf(of), of));
      }
    }
    for (const of of incarnations.values()) {
      // Moved to where it is, the checkpoint makes what was written searchable.
      await this.#store.advance(of, await this.#store.checkpoint(of));
    }
    for (const { workspace: id, epoch, position } of written) {
      await this.#append(REPLAYED, { workspace: id, epoch, position });
    }
    return { replayed: written.length, refused: letters.length - written.length };
  }

  async #append(
    type: string,
    payload: {
      workspace: string;
      epoch: string;
      position: Position;
      reason?: string;
      text?: string;
    },
  ): Promise<void> {
    const own = { workspaceId: LOG, type, payload, acceptedAt: Date.now() };
    await this.#log.append(LOG, [ownEvent(own, ownContext(LOG))]);
  }
}
