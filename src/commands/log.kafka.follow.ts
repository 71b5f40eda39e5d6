import { setMaxListeners } from 'node:events';
import type { Position } from '../event.js';
import { pause } from '../pause.js';
import type { Topic } from './log.kafka.cluster.js';
import type { Found } from './log.kafka.fetch.js';
import { backoffMs, isPassing, refusalOf } from './log.kafka.patience.js';
import type { Written } from './log.kafka.records.js';
import { notFound } from './log.kafka.topics.js';
import { LogTruncated, type Batch } from './log.js';

/** Where a follower gets its records from. */
export interface Source {
  /** The topic as it is now. */
  readonly require: (workspace: string) => Promise<Topic>;
  readonly forget: (workspace: string) => void;
  /** What is there, without waiting. */
  readonly fetch: (topic: Topic, offset: number) => Promise<Found>;
  /** The same, but no more than the one batch that has the offset. */
  readonly fetchBatch: (topic: Topic, offset: number) => Promise<Found>;
  /** What comes next; `undefined` when the signal aborts. */
  readonly wait: (topic: Topic, offset: number, signal: AbortSignal) => Promise<Found | undefined>;
  /** The oldest offset held. */
  readonly first: (topic: Topic) => Promise<number>;
}

/**
 * Follows one incarnation of a workspace's topic, wherever its leader goes and however long it is
 * away: it fetches by itself while it is behind, and waits together with all others at the head.
 */
export async function* follow(
  source: Source,
  workspace: string,
  pinned: Topic,
  after: Position,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  // One signal may end any number of followers; Node takes more than ten for a leak.
  setMaxListeners(0, signal);
  const place: Place = { offset: after + 1, atHead: false };
  let failures = 0;
  while (!signal.aborted) {
    let batch: Batch | undefined;
    try {
      batch = await orAborted(signal, step(source, workspace, pinned, place, signal));
      failures = 0;
    } catch (error) {
      if (!isPassing(error)) {
        throw error;
      }
      source.forget(workspace);
      place.atHead = false;
      await pause(backoffMs(failures++), signal);
    }
    if (batch && !isAborted(signal)) {
      yield batch;
    }
  }
}

interface Place {
  /** The next one to fetch. */
  offset: number;
  /** Whether nothing was left to fetch. */
  atHead: boolean;
  /** The batch before that offset, as it was when it was read. */
  last?: Written | undefined;
}

/** One fetch; `undefined` when it has brought nothing that the consumer wants. */
async function step(
  source: Source,
  workspace: string,
  pinned: Topic,
  place: Place,
  signal: AbortSignal,
): Promise<Batch | undefined> {
  const topic = await source.require(workspace);
  if (topic.id !== pinned.id) {
    throw notFound(workspace);
  }
  try {
    place.last ??= await batchBefore(source, topic, place.offset);
    const found = place.atHead
      ? await source.wait(topic, place.offset, signal)
      : await source.fetch(topic, place.offset);
    if (!found) {
      return undefined;
    }
    const { offset } = place;
    await assertGoesOn(source, topic, place, found, workspace);
    place.last = found.batches.at(-1) ?? place.last;
    place.offset = found.next;
    place.atHead = found.next >= found.head;
    // Those who wait together are given what the one wants that is furthest behind.
    const records = found.records.filter(({ position }) => position >= offset);
    const last = (found.next - 1) as Position;
    return found.next > offset ? { records, first: found.first as Position, last } : undefined;
  } catch (error) {
    if (refusalOf(error) !== 'OFFSET_OUT_OF_RANGE') {
      throw error;
    }
    if (place.atHead) {
      // It may be what another one has waited for at the same topic.
      place.atHead = false;
      return undefined;
    }
    // Answered by the leader alone: one that was the leader, and is behind, has nobody take the log
    // for shorter than it is.
    const first = await source.first(topic);
    if (first <= place.offset) {
      throw new LogTruncated(workspace, (place.offset - 1) as Position);
    }
    place.offset = first;
    place.last = undefined;
    return undefined;
  }
}

/**
 * Another leader has what was read of the one before, or the log was cut and has grown since: then
 * another batch stands where the last one was.
 */
async function assertGoesOn(
  source: Source,
  topic: Topic,
  { offset, last }: Place,
  { batches }: Found,
  workspace: string,
): Promise<void> {
  const coming = batches.find(({ next }) => next > offset);
  if (!last || !coming || coming.leaderEpoch === last.leaderEpoch) {
    return;
  }
  const there = await batchBefore(source, topic, offset);
  if (there && there.crc !== last.crc) {
    throw new LogTruncated(workspace, (offset - 1) as Position);
  }
}

/** The batch with what stands before an offset; none where that is not held, or not any more. */
async function batchBefore(
  source: Source,
  topic: Topic,
  offset: number,
): Promise<Written | undefined> {
  if (offset === 0) {
    return undefined;
  }
  try {
    const { batches } = await source.fetchBatch(topic, offset - 1);
    return batches.find(({ next }) => next >= offset);
  } catch (error) {
    if (refusalOf(error) === 'OFFSET_OUT_OF_RANGE') {
      return undefined;
    }
    throw error;
  }
}

// A function, as the compiler takes the signal for what it was at the last look.
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** `undefined` as soon as the signal aborts. */
async function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  let abort!: () => void;
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => {
      resolve(undefined);
    };
  });
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
