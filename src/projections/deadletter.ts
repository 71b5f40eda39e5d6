import type { EventLog } from '../commands/log.js';
import type { Workspace } from '../commands/workspace.js';
import type { Workspaces } from '../commands/workspaces.js';
import { eventOf, nameOf, Recorded, type Incarnation, type Position } from '../event.js';
import { instant } from '../instant.js';
import { logger } from '../logger.js';
import { Turns } from '../turns.js';
import { forgetLetters } from './deadletter.forget.js';
import {
  appendLetters,
  DEAD_LETTERS,
  keyOf,
  LETTER,
  lettersIn,
  Parked,
  type LetterEvent,
} from './deadletter.log.js';
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

/**
 * The dead-letter log: what was parked, and what became of it. It is read only when an operator
 * asks, so it is folded then and not held in memory.
 */
export class DeadLetters {
  readonly #log: EventLog;
  readonly #store: EventStore;
  readonly #workspaces: Workspaces;
  readonly #forgetting = new Turns();

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
    await log.create(DEAD_LETTERS, {});
    return new DeadLetters(log, store, workspaces);
  }

  async park(
    { id, epoch }: Pick<Incarnation, 'id' | 'epoch'>,
    record: Recorded,
    reason: string,
  ): Promise<void> {
    const { position, bytes } = record;
    logger.warn({ workspaceId: id, position, reason }, 'the store refused an event');
    const text = Buffer.from(bytes).toString();
    const letter = { workspace: id, epoch, position, reason, text };
    await appendLetters(this.#log, LETTER.parked, [letter]);
  }

  /** The parked ones, oldest first, of one workspace or of all. */
  async list(workspace: string | undefined, limit: number): Promise<DeadLetter[]> {
    const parked = new Parked<DeadLetter>();
    for await (const events of lettersIn(this.#log)) {
      for (const { type, letter } of events) {
        if (workspace === undefined || letter.workspace === workspace) {
          parked.take(type, keyOf(letter), letter as DeadLetter);
        }
      }
    }
    // What was parked of a workspace that is gone has gone with it.
    return [...parked.letters.values()]
      .filter((letter) => this.#isHeld(letter, this.#workspaces.get(letter.workspace)))
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
    const done = written.map(({ workspace: id, epoch, position }) => {
      return { workspace: id, epoch, position };
    });
    await appendLetters(this.#log, LETTER.replayed, done);
    return { replayed: written.length, refused: letters.length - written.length };
  }

  /**
   * Forgets those of workspaces that are gone for good, and those of events that the history would
   * have forgotten by now. What can be restored is kept.
   *
   * Once at a time: many workspaces may be purged at once, and each call reads the whole log, and
   * writes again what is wanted.
   */
  forget(): Promise<void> {
    return this.#forgetting.take(() => this.#forget());
  }

  async #forget(): Promise<void> {
    const bounds = await this.#log.bounds(DEAD_LETTERS);
    // Only now is every workspace known of which there is a letter.
    await this.#workspaces.catchUp();
    const restorable = this.#workspaces.deleted().filter(({ purging }) => !purging);
    const known = new Map(
      [...this.#workspaces.list(), ...restorable.map(({ workspace }) => workspace)].map(
        (workspace) => [workspace.epoch, workspace],
      ),
    );
    await forgetLetters(this.#log, bounds, (letter) =>
      this.#isHeld(letter, known.get(letter.epoch)),
    );
  }

  /** Whether a letter is of this workspace, and its event within what the history of that keeps. */
  #isHeld(letter: LetterEvent['letter'], of: Workspace | undefined): boolean {
    const { workspace, epoch, position, parkedAt, text = '' } = letter;
    if (of?.id !== workspace || of.epoch !== epoch) {
      return false;
    }
    const { maxAgeMs = Infinity } = this.#workspaces.retentionOf(of).history;
    const event = eventOf(new Recorded(position, Buffer.from(text)));
    const acceptedAt = instant(event?.createdAt ?? '') || instant(parkedAt);
    return acceptedAt >= Date.now() - maxAgeMs;
  }
}
