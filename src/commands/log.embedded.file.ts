import { unpack } from '../slab.js';
import { Recorded, type Position } from '../event.js';
import { moving, Thread } from '../thread.js';
import type { Turns } from '../turns.js';
import type { Checkpointer } from './log.embedded.checkpointer.js';
import type { Reader, Span } from './log.embedded.reader.js';
import type { LogRow, NewLog, Run } from './log.embedded.rows.js';
import type { Writer, WriterData } from './log.embedded.writer.js';
import type { Batch } from './log.js';

const KIB = 1024;

/**
 * The WAL is copied into the file each time it has grown by about so much. More would make
 * opening after a crash slow; less would write the same pages of the file more often.
 */
const checkpointBytes = 8 * KIB * KIB;

/**
 * Where the disk cannot copy as fast as commits come, they have to wait: here. Where the WAL cannot
 * begin anew because somebody reads the file, a backup say, they wait once more after as much
 * again.
 */
const walBytesMax = 64 * KIB * KIB;

/** What a row takes of the WAL beside its bytes: the pages that even the smallest one changes. */
const rowBytes = 12 * KIB;

/** The log file, through the threads that have it open. Whoever writes takes a turn before. */
export class LogFile {
  readonly #writer: Thread<Writer>;
  readonly #reader: Thread<Reader>;
  readonly #checkpointer: Thread<Checkpointer>;
  readonly #turns: Turns;
  #walBytes = 0;
  /**
   * How large the WAL may be before it is tried again to begin it anew, and before commits wait.
   */
  #checkpointAt = checkpointBytes;
  #waitAt = walBytesMax;
  #checkpointing = false;
  #closed = false;

  /**
   * @throws Error when another process, or this one, has the folder open, or it cannot be written.
   */
  static async open(data: WriterData, turns: Turns): Promise<{ file: LogFile; rows: LogRow[] }> {
    const script = new URL('./log.embedded.writer.js', import.meta.url);
    const writer = new Thread<Writer>(script, data);
    // The other threads expect the file to be there.
    const rows = await writer.call('logs');
    const file = new LogFile(data, writer, turns);
    for (const { number } of rows.filter(({ workspace }) => workspace === null)) {
      void file.#purge(number);
    }
    return { file, rows };
  }

  private constructor(data: WriterData, writer: Thread<Writer>, turns: Turns) {
    this.#writer = writer;
    this.#reader = new Thread(new URL('./log.embedded.reader.js', import.meta.url), data);
    this.#checkpointer = new Thread(
      new URL('./log.embedded.checkpointer.js', import.meta.url),
      data,
    );
    this.#turns = turns;
  }

  /** Resolves when a thread has died: nothing works from then on. */
  get died(): Promise<Error> {
    return Promise.race([this.#writer.died, this.#reader.died, this.#checkpointer.died]);
  }

  async commit(runs: readonly Run[]): Promise<void> {
    if (this.#walBytes > this.#waitAt) {
      await this.#restartWal();
    }
    const buffers = runs.flatMap(({ ends, slab }) => [ends.buffer, slab.buffer]);
    // Counted before the call, because buffers that have moved are empty.
    this.#walBytes += runs.length * rowBytes;
    this.#walBytes += buffers.reduce((bytes, { byteLength }) => bytes + byteLength, 0);
    await this.#writer.call('commit', moving(runs, buffers));
    if (this.#walBytes > this.#checkpointAt && !this.#checkpointing) {
      void this.#checkpoint();
    }
  }

  create(log: NewLog): Promise<number> {
    return this.#writer.call('create', log);
  }

  retain(number: number, retention: string): Promise<void> {
    return this.#writer.call('retain', number, retention);
  }

  async drop(number: number): Promise<void> {
    await this.#writer.call('drop', number);
    void this.#purge(number);
  }

  async trim(number: number, first: Position): Promise<void> {
    await this.#writer.call('trim', number, first);
    void this.#purge(number);
  }

  /** Deletes what nobody can read any more, in slices between which commits go on. */
  async #purge(number: number): Promise<void> {
    try {
      let more = true;
      while (more && !this.#closed) {
        more = await this.#turns.take(() => this.#writer.call('purge', number));
      }
    } catch {
      // The disk is full, or a thread died. It goes on when the log is opened or trimmed again.
    }
  }

  /** `undefined` when that log was dropped. */
  async read(
    workspace: string,
    epoch: string,
    after: Position,
    limitBytes: number,
  ): Promise<Batch | undefined> {
    const found = await this.#reader.call('read', workspace, epoch, after, limitBytes);
    return (
      found && {
        records: unpack(found.ends, found.slab).map(
          (bytes, index) => new Recorded((found.from + index) as Position, bytes),
        ),
        first: found.first as Position,
        last: (found.from + found.ends.length - 1) as Position,
      }
    );
  }

  /** `undefined` when that log was dropped. */
  seek(workspace: string, epoch: string, time: number): Promise<Position | undefined> {
    return this.#reader.call('seek', workspace, epoch, time) as Promise<Position | undefined>;
  }

  /**
   * Where the newest so many bytes begin: at the run with which they are complete, or at the first.
   * `undefined` when that log was dropped.
   */
  async newest(workspace: string, epoch: string, bytes: number): Promise<Position | undefined> {
    let span: Span | undefined = { begin: Infinity, bytes: 0, isWhole: false };
    // Some runs at a time: between two looks, others read.
    while (span && !span.isWhole && span.bytes < bytes) {
      span = await this.#reader.call('extend', workspace, epoch, span, bytes);
    }
    return span?.begin as Position | undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const readers = [this.#reader, this.#checkpointer] as Thread<Pick<Reader, 'close'>>[];
    // The writer after them, because the last connection to close removes the WAL. A thread that
    // has died has nothing left to close.
    await Promise.allSettled(readers.map((thread) => thread.call('close')));
    await Promise.allSettled([this.#turns.take(() => this.#writer.call('close'))]);
    await Promise.all([...readers, this.#writer].map((thread) => thread.terminate()));
  }

  /**
   * Copies the WAL into the file: nearly all of it beside the commits, the rest between two of
   * them.
   */
  async #checkpoint(): Promise<void> {
    this.#checkpointing = true;
    try {
      await this.#checkpointer.call('checkpoint');
      await this.#turns.take(() => this.#restartWal());
    } catch {
      // The disk is full, or a thread died. Nothing is lost; it is tried again after the next
      // commit.
    }
    this.#checkpointing = false;
  }

  async #restartWal(): Promise<void> {
    if (await this.#writer.call('restartWal')) {
      this.#walBytes = 0;
    }
    this.#checkpointAt = this.#walBytes + checkpointBytes;
    this.#waitAt = this.#walBytes + walBytesMax;
  }
}
