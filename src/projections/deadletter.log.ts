import { ownContext } from '../commands/context.js';
import type { EventLog } from '../commands/log.js';
import { ownEvent } from '../commands/own.js';
import { BEFORE_FIRST, eventOf, type Position, type Recorded } from '../event.js';

/** What became of a letter, as the events of its log. */
export const LETTER = {
  parked: 'deadletter.parked',
  replayed: 'deadletter.replayed',
  /** A copy, of before what the log still holds; says nothing where that was replayed since. */
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

/** The body of an event of that log. */
export interface Letter extends LetterKey {
  readonly reason?: string;
  /** The bytes of the event that was refused. */
  readonly text?: string;
  readonly parkedAt?: string;
}

/** An event of that log. */
export interface LetterEvent {
  readonly position: Position;
  readonly type: string;
  readonly letter: Letter & { readonly parkedAt: string };
}

export function keyOf({ workspace, epoch, position }: LetterKey): string {
  return `${workspace}/${epoch}/${position}`;
}

/** The letters that are still parked, by key, with what is kept of the newest copy of each. */
export class Parked<T> {
  readonly letters = new Map<string, T>();
  readonly #known = new Set<string>();

  take(type: string, key: string, kept: T): void {
    if (type === LETTER.replayed) {
      this.letters.delete(key);
    } else if (type === LETTER.parked || this.letters.has(key) || !this.#known.has(key)) {
      this.letters.set(key, kept);
    }
    this.#known.add(key);
  }
}

/** Reads the log as far as it is now, or up to a position. */
export async function* lettersIn(
  log: EventLog,
  end?: Position,
): AsyncGenerator<readonly LetterEvent[]> {
  const next = end ?? (await log.bounds(DEAD_LETTERS)).next;
  let after = BEFORE_FIRST;
  while (after < next - 1) {
    const { records } = await log.read(DEAD_LETTERS, after, READ_BYTES);
    const last = records.at(-1);
    if (!last) {
      return;
    }
    after = last.position;
    yield records.filter(({ position }) => position < next).flatMap(letterEventOf);
  }
}

/** Nothing where it is no event: on Kafka, others may write as well. */
function letterEventOf(record: Recorded): LetterEvent[] {
  const event = eventOf(record);
  if (!event) {
    return [];
  }
  const letter = { parkedAt: event.createdAt, ...(event.payload as unknown as Letter) };
  return [{ position: record.position, type: event.type, letter }];
}

/** Appends to the log, in order. */
export async function appendLetters(
  log: EventLog,
  type: string,
  letters: readonly Letter[],
): Promise<void> {
  const events = letters.map((letter) => {
    const own = { workspaceId: DEAD_LETTERS, type, payload: { ...letter } };
    return ownEvent({ ...own, acceptedAt: Date.now() }, ownContext(DEAD_LETTERS));
  });
  if (events.length > 0) {
    await log.append(DEAD_LETTERS, events);
  }
}
