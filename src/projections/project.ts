import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog } from '../commands/log.js';
import type { Workspaces } from '../commands/workspaces.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Event, type Position, type Recorded } from '../event.js';
import { logger } from '../logger.js';
import { metrics, type Lag } from '../metrics.js';
import type { DeadLetters } from './deadletter.js';
import type { EventStore } from './store.js';

/** Between two tries of a store or a log that does not answer. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 10_000;

/**
 * Between two writes of one workspace, so that a steady flow is written in batches: each costs the
 * store a transaction, and the emits and deliveries of the node the processor time of it.
 */
const GATHER_MS = 100;
/** A read of so many is the sign of a backlog, which is worked off without a pause. */
const BACKLOG_EVENTS = 200;

/** Only an event with these bytes can be one to keep out of the history; most need no parsing. */
const MARK = Buffer.from('"persist":false');

/** What is being done for one workspace. */
interface Task {
  readonly stopping: AbortController;
  done: Promise<void>;
  /** How far the history is, once that is known. */
  checkpoint?: Position;
  /** When the oldest event of the batch in work was accepted; epoch milliseconds. */
  acceptedAt?: number | undefined;
}

/**
 * Carries every event from the log into the store, exactly once: read from the checkpoint, write,
 * park what is refused, move the checkpoint. Each workspace goes on by itself, so neither an event
 * that the store refuses nor a large backlog stops another.
 */
export class Projector {
  readonly #log: EventLog;
  readonly #store: EventStore;
  readonly #workspaces: Workspaces;
  readonly #deadLetters: DeadLetters;
  readonly #tasks = new Map<string, Task>();
  #stopped = false;

  constructor(log: EventLog, store: EventStore, workspaces: Workspaces, deadLetters: DeadLetters) {
    this.#log = log;
    this.#store = store;
    this.#workspaces = workspaces;
    this.#deadLetters = deadLetters;
  }

  /** Projects every workspace that there is or will be, and forgets those that are deleted. */
  start(): void {
    this.#workspaces.onDeleted((workspace) => {
      this.#next(workspace, () => this.#store.drop(workspace));
    });
    this.#workspaces.onCreated((workspace) => {
      this.#next(workspace, (task) => this.#project(workspace, task));
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const tasks = [...this.#tasks.values()];
    for (const { stopping } of tasks) {
      stopping.abort();
    }
    await Promise.all(tasks.map(({ done }) => done));
  }

  /** How far the history is behind the logs: in events, and the age of the oldest one in work. */
  async lag(): Promise<Lag> {
    let events = 0;
    let oldest = Date.now();
    for (const [workspace, { checkpoint, acceptedAt = oldest }] of this.#tasks) {
      if (checkpoint !== undefined) {
        const { next } = await this.#log.bounds(workspace);
        events += next - 1 - checkpoint;
        oldest = Math.min(oldest, acceptedAt);
      }
    }
    return { events, seconds: (Date.now() - oldest) / 1000 };
  }

  /**
   * What concerns one workspace happens one after the other: what runs is stopped, then comes the
   * next.
   */
  #next(workspace: string, work: (task: Task) => Promise<void>): void {
    const before = this.#tasks.get(workspace);
    before?.stopping.abort();
    const task: Task = { stopping: new AbortController(), done: Promise.resolve() };
    const run = async (): Promise<void> => {
      await before?.done;
      await this.#untilDone(workspace, () => work(task), task.stopping.signal);
      delete task.checkpoint;
    };
    if (!this.#stopped) {
      this.#tasks.set(workspace, task);
      task.done = run();
    }
  }

  /**
   * Tries again, ever more slowly, whatever the failure: giving up would lose history in silence.
   */
  async #untilDone(
    workspace: string,
    work: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let pause = RETRY_MS;
    while (!signal.aborted) {
      try {
        await work();
        return;
      } catch (error) {
        if (error instanceof ServiceError && error.code === 'workspace-not-found') {
          return;
        }
        logger.error({ err: error, workspaceId: workspace }, 'projection failed, trying again');
        await delay(pause, undefined, { signal }).catch(() => undefined);
        pause = Math.min(pause * 2, RETRY_MS_MAX);
      }
    }
  }

  async #project(workspace: string, task: Task): Promise<void> {
    const { epoch } = this.#workspaces.require(workspace);
    let checkpoint = await this.#store.checkpoint(workspace);
    if (checkpoint?.epoch !== epoch) {
      // Left over from an incarnation that was deleted while the store could not be told, even if
      // that did not come as far as a checkpoint.
      await this.#store.drop(workspace);
      checkpoint = undefined;
    }
    task.checkpoint = checkpoint?.position ?? BEFORE_FIRST;
    const { signal } = task.stopping;
    for await (const { records } of this.#log.follow(workspace, task.checkpoint, signal)) {
      await this.#historize(workspace, epoch, records, task);
      if (records.length < BACKLOG_EVENTS) {
        await delay(GATHER_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #historize(
    workspace: string,
    epoch: string,
    records: readonly Recorded[],
    task: Task,
  ): Promise<void> {
    const [first, last] = [records[0], records.at(-1)];
    if (!first || !last) {
      return;
    }
    task.acceptedAt = Date.parse(eventOf(first)?.createdAt ?? '') || Date.now();
    const kept = records.filter(isKept);
    if (kept.length > 0) {
      const stop = metrics.storeWriteSeconds.startTimer();
      const outcomes = await this.#store.write(workspace, kept);
      stop();
      for (const [index, outcome] of outcomes.entries()) {
        const record = kept[index];
        if (typeof outcome === 'object' && record) {
          await this.#deadLetters.park(workspace, epoch, record, outcome.refused);
        }
      }
      metrics.historized.inc({ outcome: 'stored' }, outcomes.filter((o) => o === 'stored').length);
      metrics.historized.inc({ outcome: 'exists' }, outcomes.filter((o) => o === 'exists').length);
    }
    await this.#store.advance(workspace, { epoch, position: last.position });
    task.checkpoint = last.position;
    task.acceptedAt = undefined;
  }
}

/**
 * Whether an event belongs into the history: all but those that were sent with `persist: false`.
 */
export function isKept(record: Recorded): boolean {
  const { bytes } = record;
  const marked = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(MARK);
  return !marked || eventOf(record)?.options?.persist !== false;
}

/** The event of a record; nothing where that is none, of which the store tells the reason. */
function eventOf(record: Recorded): Event | undefined {
  try {
    return record.event;
  } catch {
    return undefined;
  }
}
