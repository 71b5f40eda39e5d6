/** An event as one reader saw it. */
export interface Seen {
  readonly position: number;
  readonly id: string;
}

export interface Fault {
  readonly kind: 'gap' | 'duplicate' | 'disorder' | 'stranger';
  readonly at: number;
}

/**
 * Holds what a reader received to what it should have received. Each event that is missing is a
 * gap, one that came again a duplicate, one that came late a disorder, and one that has no place
 * there, or not with this id, a stranger.
 *
 * @param expected In the order of the log.
 */
export function faults(received: readonly Seen[], expected: readonly Seen[]): Fault[] {
  const ids = new Map(expected.map(({ position, id }) => [position, id]));
  const seen = new Set<number>();
  const found: Fault[] = [];
  let last = -1;
  for (const { position, id } of received) {
    if (seen.has(position)) {
      found.push({ kind: 'duplicate', at: position });
    } else if (ids.get(position) !== id) {
      found.push({ kind: 'stranger', at: position });
    } else if (position < last) {
      found.push({ kind: 'disorder', at: position });
    }
    seen.add(position);
    last = Math.max(last, position);
  }
  const missing = expected.filter(({ position }) => !seen.has(position));
  return [...found, ...missing.map(({ position }) => ({ kind: 'gap' as const, at: position }))];
}
