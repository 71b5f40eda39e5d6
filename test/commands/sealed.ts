import { randomUUID } from 'node:crypto';
import type { Batch, EventLog } from '../../src/commands/log.js';
import {
  BEFORE_FIRST,
  type Event,
  type Position,
  type Recorded,
  type Sealed,
} from '../../src/event.js';

/** What one read takes. */
const readBytes = 1024 * 1024;

/** An event that tells its `number`; `createdAt` in epoch milliseconds. */
export function sealed(number: number, createdAt = 0): Sealed {
  const time = new Date(createdAt).toISOString();
  const event: Event = {
    id: randomUUID(),
    type: 'test.numbered',
    workspaceId: 'any',
    time,
    createdAt: time,
    source: { workspaceId: 'any', correlationId: 'any', connectionId: 'any' },
    payload: { number },
  };
  return { event, bytes: Buffer.from(JSON.stringify(event)) };
}

/** An event of which only the bytes matter. */
export function sealedBytes(bytes: Uint8Array): Sealed {
  return { event: sealed(0).event, bytes };
}

export function numbered(from: number, to: number): Sealed[] {
  return range(from, to).map((number) => sealed(number));
}

export function numbersOf(records: readonly Recorded[]): number[] {
  return records.map(({ event }) => event.payload.number as number);
}

export function positionsOf(records: readonly Recorded[]): number[] {
  return records.map(({ position }) => position);
}

/** The whole numbers from one up to, and without, another. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** Drops the log of a workspace, whichever there is. */
export async function dropLog(log: EventLog, workspace: string): Promise<void> {
  const { epoch } = await log.bounds(workspace);
  await log.drop(workspace, epoch);
}

/** Has the log forget the records of a workspace before a position, whichever there is. */
export async function trimLog(log: EventLog, workspace: string, before: number): Promise<void> {
  const { epoch } = await log.bounds(workspace);
  await log.trim(workspace, epoch, before as Position);
}

/** Follows the log of a workspace, whichever there is when it begins. */
export async function* followLog(
  log: EventLog,
  workspace: string,
  after: Position,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const { epoch } = await log.bounds(workspace);
  yield* log.follow(workspace, epoch, after, signal);
}

export async function readAll(log: EventLog, workspace: string): Promise<Recorded[]> {
  const records: Recorded[] = [];
  for (;;) {
    const last = records.at(-1)?.position ?? BEFORE_FIRST;
    const batch = await log.read(workspace, last, readBytes);
    if (batch.records.length === 0) {
      return records;
    }
    records.push(...batch.records);
  }
}
