import type { Position, Recorded } from '../event.js';
import type { Filter } from '../queries/filter.js';

/** What became of one record: now stored, there already, or refused for good with the reason. */
export type Outcome = 'stored' | 'exists' | { readonly refused: string };

/** Everything up to the position, in this incarnation of the workspace, was written or parked. */
export interface Checkpoint {
  readonly epoch: string;
  readonly position: Position;
}

export interface SearchQuery {
  readonly workspace: string;
  readonly filter: Filter;
  readonly limit: number;
  /** Only events before this position: the keyset of the page before. */
  readonly before?: Position;
}

/** Newest first. */
export interface Page {
  readonly records: readonly Recorded[];
  /** The keyset of the next page; absent on the last one. */
  readonly next?: Position;
  /** Everything up to this position of the log was searchable when the search ran. */
  readonly watermark: Position;
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
   * Stores records, idempotent by event id: one outcome for each, in order. What is stored is
   * searchable when the promise resolves. Fails, having stored any part, when the store is
   * unreachable: the caller writes the same again.
   */
  write(workspace: string, records: readonly Recorded[]): Promise<readonly Outcome[]>;

  /** How far the workspace is historized; `undefined` where nothing of it is known. */
  checkpoint(workspace: string): Promise<Checkpoint | undefined>;

  /**
   * Moves the checkpoint. It outlives a crash only together with the writes that it vouches for.
   */
  advance(workspace: string, checkpoint: Checkpoint): Promise<void>;

  search(query: SearchQuery): Promise<Page>;

  /**
   * History in the order of the log: the records after one position and up to another, at most
   * `limitBytes` of them and at least one; empty when there is none left.
   */
  scan(
    workspace: string,
    after: Position,
    until: Position,
    limitBytes: number,
  ): Promise<readonly Recorded[]>;

  /** Forgets a workspace: its events and its checkpoint. */
  drop(workspace: string): Promise<void>;

  close(): Promise<void>;
}
