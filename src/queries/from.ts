import type { Bounds } from '../commands/log.js';
import { BEFORE_FIRST, type Position } from '../event.js';
import { instant } from '../instant.js';
import { parseCursor } from './cursor.js';
import { parseFilter, type Filter } from './filter.js';
import { compile } from './filter.predicate.js';
import type { Sources } from './tail.js';

/** Where a subscription begins. `schemas/openapi.yaml` holds its schema. */
export type From = 'now' | 'start' | { position: string } | { time: string } | { last: number };

/** Why a subscriber cannot go on where it was. */
export type LossReason =
  /** The cursor is of another workspace, or of this one before it was deleted and made again. */
  | 'other-epoch'
  /** The events after the cursor are no longer held, neither by the log nor by the history. */
  | 'expired'
  /** The cursor is ahead of the log: the log was restored from an older copy. */
  | 'ahead';

/** What a subscriber has seen, as far as the service can go on from there. */
export interface Start {
  readonly position: Position;
  readonly lost?: LossReason;
}

const READ_BYTES = 1024 * 1024;

/** Of those that clocks which differ have put before others: more than there ever are. */
const DISORDER_EVENTS = 1000;

/**
 * Turns where a subscriber wants to begin into a position, and says so when that cannot be kept.
 *
 * @param left Aborts when the subscriber has left.
 */
export async function resolveFrom(
  from: From,
  filter: Filter,
  workspace: string,
  sources: Sources,
  left?: AbortSignal,
): Promise<Start> {
  const bounds = await sources.log.bounds(workspace);
  const last = (bounds.next - 1) as Position;
  if (from === 'now') {
    return { position: last };
  }
  if (from === 'start') {
    return { position: BEFORE_FIRST };
  }
  if ('time' in from) {
    return { position: await beforeTime(from.time, workspace, sources) };
  }
  if ('last' in from) {
    const latest = { count: from.last, filter, ...(left && { left }) };
    return { position: await beforeLatest(latest, workspace, bounds, sources) };
  }
  const cursor = parseCursor(from.position, 'from.position');
  if (cursor.epoch !== bounds.epoch) {
    return { position: BEFORE_FIRST, lost: 'other-epoch' };
  }
  if (cursor.position > last) {
    return { position: last, lost: 'ahead' };
  }
  const first = await oldest(workspace, bounds, sources);
  if (cursor.position + 1 < first && cursor.position !== BEFORE_FIRST) {
    return { position: (first - 1) as Position, lost: 'expired' };
  }
  return { position: cursor.position };
}

/**
 * The position before the first event that was accepted at a time or later: in the log, or in the
 * history, where the log has forgotten all that came before that time.
 */
async function beforeTime(
  time: string,
  workspace: string,
  { log, store, historyOf }: Sources,
): Promise<Position> {
  const inLog = await log.seek(workspace, instant(time));
  // Only now, as retention goes on meanwhile.
  const { first, epoch } = await log.bounds(workspace);
  if (first === 0 || inLog >= first) {
    return inLog;
  }
  const of = historyOf(workspace, epoch);
  const earlier = parseFilter({ createdAt: { lt: time } });
  const newest = { of: [of], sort: 'position', order: 'newest' } as const;
  const { hits } = await store.search({ ...newest, filter: earlier, limit: 1, last: first - 1 });
  let position = hits[0]?.record.position ?? BEFORE_FIRST;
  // The clocks of two nodes differ: before what the one accepted earlier there may be what the
  // other accepted later.
  const filter = parseFilter({ createdAt: { gte: time } });
  for (let more = true; more;) {
    const page = await store.search({
      ...newest,
      filter,
      limit: DISORDER_EVENTS,
      last: position - 1,
    });
    position = ((page.hits.at(-1)?.record.position ?? position + 1) - 1) as Position;
    ({ more } = page);
  }
  return position;
}

/**
 * The position before the latest `count` events that match: the history is asked for those it has,
 * the log for those that came since.
 */
async function beforeLatest(
  { count, filter, left }: { count: number; filter: Filter; left?: AbortSignal },
  workspace: string,
  bounds: Bounds,
  { log, store, historyOf }: Sources,
): Promise<Position> {
  const last = (bounds.next - 1) as Position;
  const of = historyOf(workspace, bounds.epoch);
  // A log that has lost its end may not be so far any more.
  const watermark = Math.min(await store.checkpoint(of), last) as Position;
  const matching: Position[] = [];
  // The page of a search ends early where its events are large; what they hold is let go at once.
  for (let more = true; more && matching.length < count;) {
    const page = await store.search({
      of: [of],
      filter,
      sort: 'position',
      order: 'newest',
      limit: count - matching.length,
      last: (matching.at(-1) ?? watermark + 1) - 1,
      ...(left && { signal: left }),
    });
    matching.push(...page.hits.map(({ record }) => record.position));
    ({ more } = page);
  }
  matching.reverse();
  const matches = compile(filter);
  let after = watermark;
  while (after < last) {
    left?.throwIfAborted();
    const batch = await log.read(workspace, after, READ_BYTES);
    if (batch.records.length === 0) {
      break;
    }
    for (const record of batch.records) {
      after = record.position;
      if (matches(record)) {
        matching.push(record.position);
      }
    }
  }
  const first = matching.at(-count) ?? matching[0];
  return (first === undefined ? last : first - 1) as Position;
}

/**
 * Where history begins: the oldest event that log or store still hold, or where the next one will
 * stand. What retention is removing is held in part at most.
 */
async function oldest(
  workspace: string,
  bounds: Bounds,
  { store, historyOf }: Sources,
): Promise<Position> {
  if (bounds.first === 0) {
    return bounds.first;
  }
  const of = historyOf(workspace, bounds.epoch);
  const trimmed = await store.trimmed(of);
  const [first] = await store.scan(of, trimmed, (bounds.first - 1) as Position, 1);
  return first?.position ?? bounds.first;
}
