import { randomUUID } from 'node:crypto';
import type { Workspace } from '../../src/commands/workspace.js';
import type { Workspaces } from '../../src/commands/workspaces.js';
import { DeadLetters } from '../../src/projections/deadletter.js';
import { range, sealed } from '../commands/sealed.js';
import { historize } from '../queries/history.js';
import { CONTEXT, withWorkspaces, type BackEnds } from '../support/backends.js';

export const HOUR_MS = 3_600_000;

/** The old events of a shelf are beyond both. */
export const KEPT = { retention: { log: { hours: 1 }, history: { hours: 5 } } };

/** Where events are kept, and what retention needs to look after them. */
export interface Shelf extends BackEnds {
  readonly workspaces: Workspaces;
  readonly deadLetters: DeadLetters;
  /** Of a workspace that no other test has. */
  readonly id: string;
}

/** A shelf for a suite, with an id for each test. */
export function withShelf(use: (shelf: Shelf) => void): void {
  let shelf: Omit<Shelf, 'id'>;
  let opened: [BackEnds, Workspaces];

  withWorkspaces((...args) => {
    opened = args;
  });

  before(async () => {
    const [backEnds, workspaces] = opened;
    const deadLetters = await DeadLetters.open(backEnds.log, backEnds.store, workspaces);
    shelf = { ...backEnds, workspaces, deadLetters };
  });

  beforeEach(() => {
    use({ ...shelf, id: `w-${randomUUID()}` });
  });
}

/** Makes a workspace with so many events of long ago and one of now, all in its history. */
export async function fill(
  shelf: Shelf,
  id: string,
  old: number,
  config: object = KEPT,
): Promise<Workspace> {
  const made = await shelf.workspaces.put(id, config, CONTEXT);
  const now = Date.now();
  await shelf.log.append(id, [
    ...range(0, old).map((n) => sealed(n, now - 9 * HOUR_MS)),
    sealed(old, now),
  ]);
  await historize(shelf, id, old);
  return made;
}
