import type { Position } from '../../src/event.js';
import { readAll } from '../commands/sealed.js';
import type { BackEnds } from '../support/backends.js';

/** Puts the events up to a position into the history, as the projection does. */
export async function historize(
  { log, store, historyOf }: BackEnds,
  workspace: string,
  until: number,
): Promise<void> {
  const { epoch } = await log.bounds(workspace);
  const of = historyOf(workspace, epoch);
  const records = await readAll(log, workspace);
  await store.write(
    of,
    records.filter(({ position }) => position <= until),
  );
  await store.advance(of, until as Position);
}
