import type { Incarnation, Position, Recorded } from '../event.js';
import type { Interval } from '../interval.js';
import type { Filter } from '../queries/filter.js';
import type { Loss } from './losses.js';

/** What became of one record: now stored, there already, or refused for good with the reason. */
export type Outcome = 'stored' | 'exists' | { readonly refused: string };

/** Which events a query is about. */
export interface Selection {
  /** One, or, across workspaces, all that there are; at least one. */
  readonly of: readonly Incarnation[];
  readonly filter: Filter;
  /** Up to and with this position: the watermark. Across workspaces there is none: Infinity. */
  readonly last: number;
}

/** A place in the order of a search. */
export interface SortKey {
  /** Epoch milliseconds of the event’s `time`; 0 in the order of positions. */
  readonly time: number;
  /** `nameOf` its incarnation, which decides between equal times of several workspaces. */
  readonly of: string;
  readonly position: Position;
}

export interface SearchQuery extends Selection {
  /** By time, equal times by incarnation and position. Across workspaces by time alone. */
  readonly sort: 'position' | 'time';
  readonly order: 'newest' | 'oldest';
  /** Begins behind this place, in the order that is asked for. */
  readonly after?: SortKey;
  readonly limit: number;
  /** Aborts when who asked has left: the query soon rejects with the signal’s reason. */
  readonly signal?: AbortSignal;
}

export interface Hit {
  readonly of: Incarnation;
  readonly record: Recorded;
}

/** In the order that was asked for. */
export interface Page {
  readonly hits: readonly Hit[];
  /** There are more behind the last one. */
  readonly more: boolean;
}

/** By what events are put together. `docs/aggregation.md` is the guide. */
export type Grouping =
  /** By the texts at a field, each of which an event is counted under; without one, under null. */
  | { readonly by: 'terms'; readonly field: string }
  /** By the calendar or the clock, under the first instant of the interval. */
  | {
      readonly by: 'interval';
      readonly field: 'time' | 'createdAt';
      readonly interval: Interval;
    };

/** What is worked out of the events of a group. */
export type Metric =
  | { readonly of: 'count' }
  /** How many different texts there are. */
  | { readonly of: 'distinct'; readonly field: string }
  /** Of all numbers at the field: also of `bytes`, the size of the event as it is recorded. */
  | { readonly of: 'sum' | 'avg' | 'min' | 'max'; readonly field: string }
  /** Over 0, up to 100; between two values in proportion. */
  | { readonly of: 'percentiles'; readonly field: string; readonly percents: readonly number[] };

export interface AggregateQuery extends Selection {
  /** Up to three. */
  readonly groupBy: readonly Grouping[];
  readonly metrics: readonly Metric[];
  /** As of a search. */
  readonly signal?: AbortSignal;
}

/** One group: the key of each grouping, then the value of each metric, in the order asked for. */
export interface Group {
  /** A text, the epoch milliseconds of an interval, or null. */
  readonly keys: readonly (string | number | null)[];
  /** Null where there is no number to work it out of; a list for percentiles. */
  readonly values: readonly (number | null | readonly (number | null)[])[];
}

/** How far off an approximate metric can be, at a confidence that the back end’s docs tell. */
export type ErrorBound =
  /** Of the value itself. */
  | { readonly relative: number }
  /**
   * Of the share of values below: with 0.01, the 50th percentile is between the value next below
   * the 49th and the one next above the 51st.
   */
  | { readonly rank: number };

export interface Aggregate {
  /** In no order. Without groupings there is one group, also of no event at all. */
  readonly groups: readonly Group[];
  /** By the place of the metric in the query; absent: exact. */
  readonly approximate: ReadonlyMap<number, ErrorBound>;
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

  /**
   * Everything up to here was written or parked, and is searchable; on any node.
   *
   * @param ageMsMax How old what is told may be: it is true for ever, and saves who reads often the
   *   way to a store that is elsewhere. By default it is asked for.
   */
  checkpoint(of: Incarnation, ageMsMax?: number): Promise<Position>;

  /**
   * Makes searchable what was written, then moves the checkpoint, never back. The checkpoint
   * outlives a crash only together with the writes that it vouches for.
   */
  advance(of: Incarnation, checkpoint: Position): Promise<void>;

  /**
   * The checkpoint, once that and all that it vouches for outlive a failure of the power, as what
   * is in the log does: up to there the log may forget.
   */
  settle(of: Incarnation): Promise<Position>;

  /** @throws ServiceError `unavailable` when the page is not found in the time that a query has. */
  search(query: SearchQuery): Promise<Page>;

  /**
   * Puts events into groups and works out metrics of each: all groups, for the caller to choose.
   *
   * @throws ServiceError `query-too-costly` past `groupsMax` groups, and where a field cannot be
   *   aggregated; `unavailable` as a search.
   */
  aggregate(query: AggregateQuery): Promise<Aggregate>;

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

  /** What the log had forgotten before it was historized, in order; nothing else tells of it. */
  losses(of: Incarnation): Promise<readonly Loss[]>;

  /** Keeps losses, as long as the history. Those that are known, or reach into one, make one. */
  lose(of: Incarnation, losses: readonly Loss[]): Promise<void>;

  /** What was trimmed: everything up to here; `BEFORE_FIRST` when nothing was. */
  trimmed(of: Incarnation): Promise<Position>;

  /**
   * Removes the events up to a position, and with it, little by little: queries and writes beside
   * it hardly suffer. Yields how many each step has removed. What is cut short goes on when it is
   * asked for again. From the first step on, `trimmed` tells of it, and a write of what is before
   * it may or may not be kept.
   */
  trim(of: Incarnation, upTo: Position): AsyncIterable<number>;

  /** Forgets an incarnation, its events and its checkpoint, so that it stays forgotten. */
  drop(of: Incarnation): Promise<void>;

  close(): Promise<void>;
}
