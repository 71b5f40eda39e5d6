import type { Bounds, EventLog } from '../commands/log.js';
import type { Position } from '../event.js';
import {
  appendLetters,
  DEAD_LETTERS,
  keyOf,
  LETTER,
  lettersIn,
  Parked,
  type LetterEvent,
} from './deadletter.log.js';

/**
 * Forgets, for good, the letters that are not wanted any more, also those that were replayed: a log
 * forgets only from its begin, so what is wanted is written again behind all that, and then the log
 * is trimmed. Where that is cut short, some letters are there twice, which are one.
 *
 * Others may do the same meanwhile. So of each letter the newest copy is written again: one that
 * they have trimmed away since it was read they have written again behind all that is trimmed here.
 *
 * @param bounds Of the log; what came since is not looked at.
 */
export async function forgetLetters(
  log: EventLog,
  { epoch, next }: Bounds,
  isWanted: (letter: LetterEvent['letter']) => boolean,
): Promise<void> {
  const parked = new Parked<Position>();
  const unwanted = new Set<string>();
  for await (const events of lettersIn(log, next)) {
    for (const { position, type, letter } of events) {
      const key = keyOf(letter);
      parked.take(type, key, position);
      if (letter.text !== undefined && !isWanted(letter)) {
        unwanted.add(key);
      }
    }
  }
  if (unwanted.size === 0) {
    return;
  }
  for await (const events of lettersIn(log, next)) {
    const kept = events.filter(({ position, letter }) => {
      const key = keyOf(letter);
      return parked.letters.get(key) === position && !unwanted.has(key);
    });
    await appendLetters(
      log,
      LETTER.kept,
      kept.map(({ letter }) => letter),
    );
  }
  await log.trim(DEAD_LETTERS, epoch, next);
}
