import { ownContext } from '../commands/context.js';
import type { EventLog } from '../commands/log.js';
import { ownEvent } from '../commands/own.js';
import { BEFORE_FIRST, type Position, type Recorded } from '../event.js';

/** What became of a letter, as the events of its log. */
export const LETTER = {
  parked: 'deadletter.parked',
  replayed: 'deadletter.replayed',
  /** It was parked before what the log still holds; says nothing where it holds something else. */
  kept: 'deadletter.kept',
} as const;

export const DEAD_LETTERS = '_deadletters';
const READ_BYTES = 1024 * 1024;

/** Names a letter. */
export interface LetterKey {
  readonly workspace: string;
  readonly epoch: string;
  readonly position: Position;
}

/** The bodies of the events, which may have more in them. */
export type LetterPayload = LetterKey & {
  readonly reason?: string;
  readonly text?: string;
  readonly parkedAt?: string;
};

export function keyOf({ workspace, epoch, position }: LetterKey): string {
  return `${workspace}/${epoch}/${position}`;
}

/** The letters that are still parked, by their keys, with whatever is kept of each. */
export class Parked<T> {
  readonly letters = new Map<string, T>();
  readonly #known = new Set<string>();

  take(type: string, key: string, kept: T): void {
    if (type === LETTER.replayed) {
      this.letters.delete(key);
    } else if (type === LETTER.parked || !this.#known.has(key)) {
      this.letters.set(key, kept);
    }
    this.#known.add(key);
  }
}

/** Reads the log as far as it is now, or up to a position. */
export async function* lettersIn(
  log: EventLog,
  end?: Position,
): AsyncGenerator<readonly Recorded[]> {
  const next = end ?? (await log.bounds(DEAD_LETTERS)).next;
  let after = BEFORE_FIRST;
  while (after < next - 1) {
    const { records } = await log.read(DEAD_LETTERS, after, READ_BYTES);
    const last = records.at(-1);
    if (!last) {
      return;
    }
    after = last.position;
    yield records.filter(({ position }) => position < next);
  }
}

/** Appends to the log, in order. */
export async function appendLetters(
  log: EventLog,
  type: string,
  payloads: readonly LetterPayload[],
): Promise<void> {
  const events = payloads.map((payload) => {
    const own = {
      workspaceId: DEAD_LETTERS,
      type,
      payload: { ...payload },
      acceptedAt: Date.now(),
    };
    return ownEvent(own, ownContext(DEAD_LETTERS));
  });
  if (events.length > 0) {
    await log.append(DEAD_LETTERS, events);
  }
}
