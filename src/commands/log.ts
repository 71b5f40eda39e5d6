import type { Position, Recorded, Sealed } from '../event.js';
import type { Retention } from '../retention.js';

/** A run of a log, as it was when it was read. */
export interface Batch {
  readonly records: readonly Recorded[];
  /** The oldest position that the log still held; a reader that asked for older ones lost them. */
  readonly first: Position;
  /**
   * How far it reaches: further than its records where others have written what is no event. There
   * may be no record at all.
   */
  readonly last: Position;
}

export interface Bounds {
  /** Names this incarnation of the workspace: another one after a deletion. `[0-9a-z]{8}`. */
  readonly epoch: string;
  /** The oldest position still held; equals `next` when there is none. */
  readonly first: Position;
  /** The position that the next append will get. */
  readonly next: Position;
}

/**
 * A log ends before what was read of it: it has lost records that it had acknowledged, as a broker
 * may that is alone and loses its power. What is appended next gets their positions once more.
 */
export class LogTruncated extends Error {
  constructor(workspace: string, position: Position) {
    super(
      `The log of ${workspace} ends before ${position}, which was read of it: it has lost records.`,
    );
    this.name = 'LogTruncated';
  }
}

/**
 * The write side: one totally ordered log per workspace.
 *
 * A back end keeps every record that it has acknowledged, through a crash of the process or of the
 * machine, and never gives a position twice within an epoch. It keeps the bytes of a record as they
 * are. Validation, authorisation, idempotency, fan-out and history are not its job.
 *
 * Every method of a workspace without a log fails with `workspace-not-found`, and every method with
 * `unavailable` when the log cannot be reached within the configured time, has no room left, or is
 * closed.
 */
export interface EventLog {
  /**
   * Appends records, at least one: all of them, in order and with none of another append between
   * them, or none. Resolves with the position of the first once they are durable; they stand at
   * consecutive positions. Appends to one workspace are ordered as they were called; they may run
   * at the same time. One that fails may still be in the log, as a whole: the failure may have come
   * after the write.
   */
  append(workspace: string, records: readonly Sealed[]): Promise<Position>;

  /**
   * The records after a position, in order, as many as fit into `limitBytes`, at least one. None
   * only at the head. Where `after` is older than all that is held, it begins with the oldest held.
   */
  read(workspace: string, after: Position, limitBytes: number): Promise<Batch>;

  /**
   * As `read`, again and again, each time further; waits at the head, and sees a record as soon as
   * it is durable. Nothing is read ahead: a slow consumer slows the reading down, and costs no
   * memory. Ends when the signal aborts; fails with `workspace-not-found` when the log is dropped
   * or of another epoch, with `unavailable` when it is closed, and with `LogTruncated` where it
   * ends before `after`.
   */
  follow(
    workspace: string,
    epoch: string,
    after: Position,
    signal: AbortSignal,
  ): AsyncIterable<Batch>;

  bounds(workspace: string): Promise<Bounds>;

  /**
   * The position after which come the records accepted (`createdAt`) at or after a time, in epoch
   * milliseconds.
   */
  seek(workspace: string, time: number): Promise<Position>;

  /**
   * A position from which on the log holds so many bytes of records at least, and not many more;
   * its first where it holds fewer. Of a log that forgets by size itself always its first.
   */
  newest(workspace: string, bytes: number): Promise<Position>;

  /** Makes the log of a workspace; without effect where there is one. */
  create(workspace: string, retention: Retention): Promise<Bounds>;

  /**
   * Changes what may be forgotten. A back end may do that by itself, when it likes and in pieces as
   * large as it likes; it never forgets anything else. Another epoch is `workspace-not-found`.
   */
  retain(workspace: string, epoch: string, retention: Retention): Promise<void>;

  /**
   * Forgets the records before a position, or before the head where that comes first: for readers
   * at once. Tells how many positions those are. Another epoch is `workspace-not-found`.
   */
  trim(workspace: string, epoch: string, before: Position): Promise<number>;

  /**
   * Deletes it with all its records, if it is of that epoch; without effect where there is none, or
   * another one: of two nodes that delete and make again, the late one must not hit the new log.
   */
  drop(workspace: string, epoch: string): Promise<void>;

  /** Lets running appends end, then releases everything. */
  close(): Promise<void>;
}
