import type { Incarnation, Position, Recorded } from '../event.js';
import type { Filter } from '../queries/filter.js';

/** What became of one record: now stored, there already, or refused for good with the reason. */
export type Outcome = 'stored' | 'exists' | { readonly refused: string };

export interface SearchQuery {
  readonly of: Incarnation;
  readonly filter: Filter;
  readonly limit: number;
  /** Only events before this position: the keyset of the page before, or the watermark. */
  readonly before: Position;
}

/** Newest first. */
export interface Page {
  readonly records: readonly Recorded[];
  /** The keyset of the next page; absent on the last one. */
  readonly next?: Position;
}

/**
 * The read side: the history of every workspace, indexed for the filter language.
 *
 * A back end answers a filter exactly, or refuses it; it never approximates. It may be behind the
 * log, by what `checkpoint` tells. Retries, dead letters and the order of writing are the
 * projection's job, not its own.
 */
export interface EventStore {
  /**
   * How long the projection rests between two writes of one workspace, and between two moves of its
   * checkpoint, so that a steady flow is written in batches: what a write costs is taken from the
   * emits and deliveries beside it. What is emitted after a pause is still written at once.
   */
  readonly gatherMs: number;

  /**
   * Stores records, idempotent by event id: one outcome for each, in order. Of one incarnation,
   * writes take effect in the order of the calls, and the next may be called while one is under
   * way. What is stored is searchable, at the latest, when an `advance` called after it resolves.
   * Fails, having stored any part, when the store is unreachable: the caller writes the same again.
   */
  write(of: Incarnation, records: readonly Recorded[]): Promise<readonly Outcome[]>;

  /** Everything up to here was written or parked, and is searchable; on any node. */
  checkpoint(of: Incarnation): Promise<Position>;

  /**
   * Makes searchable what was written, then moves the checkpoint, never back. The checkpoint
   * outlives a crash only together with the writes that it vouches for.
   */
  advance(of: Incarnation, checkpoint: Position): Promise<void>;

  search(query: SearchQuery): Promise<Page>;

  /**
   * History in the order of the log: the records after one position and up to another, at most
   * `limitBytes` of them and at least one; empty when there is none left.
   */
  scan(
    of: Incarnation,
    after: Position,
    until: Position,
    limitBytes: number,
  ): Promise<readonly Recorded[]>;

  /** Forgets an incarnation: its events and its checkpoint. */
  drop(of: Incarnation): Promise<void>;

  close(): Promise<void>;
}
