import { randomUUID } from 'node:crypto';
import { Recorded, type Event, type Incarnation, type Position } from '../../src/event.js';
import type { EventStore, Outcome } from '../../src/projections/store.js';
import { range } from '../commands/sealed.js';

/** The first history of a workspace; nothing was written of it unless it is named. */
export function incarnation(id = `w-${randomUUID()}`, epoch = 'abcdefgh'): Incarnation {
  return { id, epoch, generation: 0 };
}

/** Writes, and moves the checkpoint to where it is, which makes searchable what was written. */
export async function written(
  store: EventStore,
  of: Incarnation,
  records: readonly Recorded[],
): Promise<readonly Outcome[]> {
  const outcomes = await store.write(of, records);
  await store.advance(of, await store.checkpoint(of));
  return outcomes;
}

/** An event at a position, with the id `e<position>` unless it is given another. */
export function recorded(position: number, parts: Partial<Event> = {}): Recorded {
  const event: Event = {
    id: `e${position}`,
    type: 'test.recorded',
    workspaceId: 'any',
    time: '2001-01-15T00:30:00Z',
    createdAt: '2001-01-15T00:30:00.000Z',
    source: { workspaceId: 'any', correlationId: 'any', connectionId: 'any' },
    payload: {},
    ...parts,
  };
  return new Recorded(position as Position, Buffer.from(JSON.stringify(event)));
}

/** Events at all positions from one up to, and without, another. */
export function recordedRange(from: number, to: number, parts?: Partial<Event>): Recorded[] {
  return range(from, to).map((position) => recorded(position, parts));
}

export function idsOf(records: readonly Recorded[]): string[] {
  return records.map(({ event }) => event.id);
}
