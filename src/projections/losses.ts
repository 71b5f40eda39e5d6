import type { Position } from '../event.js';

/** What a log had forgotten before it was historized: all that is between two positions. */
export interface Loss {
  readonly after: Position;
  readonly before: Position;
}

/**
 * How many are kept of one history: 50 KB. There is one each time that the log forgets what the
 * projection has not come to, so that many tell of an installation that nobody looks after.
 */
export const LOSSES_MAX = 1_000;

/**
 * Losses together with further ones, in order and apart from each other. Of too many, the oldest
 * two become one: what is kept between them is told as lost then, but nothing that is lost as kept.
 */
export function withLosses(known: readonly Loss[], further: readonly Loss[]): readonly Loss[] {
  const apart: Loss[] = [];
  for (const loss of [...known, ...further].sort((one, other) => one.after - other.after)) {
    const last = apart.at(-1);
    if (last && loss.after < last.before) {
      apart.pop();
      apart.push({ after: last.after, before: Math.max(last.before, loss.before) as Position });
    } else {
      apart.push(loss);
    }
  }
  const excess = Math.max(apart.length - LOSSES_MAX, 0);
  const [first] = apart;
  return first && excess > 0
    ? [{ after: first.after, before: apart[excess]!.before }, ...apart.slice(excess + 1)]
    : apart;
}
