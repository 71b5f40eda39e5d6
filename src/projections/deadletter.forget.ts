import type { Bounds, EventLog } from '../commands/log.js';
import type { Position } from '../event.js';
import {
  appendLetters,
  DEAD_LETTERS,
  keyOf,
  LETTER,
  lettersIn,
  Parked,
  type LetterPayload,
} from './deadletter.log.js';

/**
 * Forgets, for good, the letters that are not wanted any more, also those that were replayed: a log
 * forgets only from its begin, so what is wanted is written again behind all that, and then the log
 * is trimmed. Where that is cut short, some letters are there twice, which are one.
 *
 * @param bounds Of the log; what came since is not looked at.
 */
export async function forgetLetters(
  log: EventLog,
  { epoch, next }: Bounds,
  isWanted: (letter: LetterPayload, parkedAt: string) => boolean,
): Promise<void> {
  const parked = new Parked<Position>();
  const unwanted = new Set<string>();
  for await (const records of lettersIn(log, next)) {
    for (const { position, event } of records) {
      const letter = event.payload as unknown as LetterPayload;
      const key = keyOf(letter);
      parked.take(event.type, key, position);
      if (letter.text !== undefined && !isWanted(letter, letter.parkedAt ?? event.createdAt)) {
        unwanted.add(key);
      }
    }
  }
  if (unwanted.size === 0) {
    return;
  }
  for await (const records of lettersIn(log, next)) {
    const wanted = records.filter(({ position, event }) => {
      const key = keyOf(event.payload as unknown as LetterPayload);
      return parked.letters.get(key) === position && !unwanted.has(key);
    });
    const kept = wanted.map(({ event }) => {
      const letter = event.payload as unknown as LetterPayload;
      return { ...letter, parkedAt: letter.parkedAt ?? event.createdAt };
    });
    await appendLetters(log, LETTER.kept, kept);
  }
  await log.trim(DEAD_LETTERS, epoch, next);
}
