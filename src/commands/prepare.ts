import { BEFORE_FIRST, type Position } from '../event.js';
import { once } from '../once.js';
import type { Context } from './context.js';
import type { RecentIds } from './idempotency.js';
import type { EventLog } from './log.js';
import type { Workspace } from './workspace.js';
import type { Workspaces } from './workspaces.js';

/**
 * How many events at the end of a log are looked through for ids after a start: retries come soon.
 */
const WARM_EVENTS = 10_000;
const WARM_READ_BYTES = 1024 * 1024;

/** Makes workspaces ready to take events. Work is shared by all calls that wait for it. */
export class Preparation {
  readonly #log: EventLog;
  readonly #workspaces: Workspaces;
  readonly #recent: RecentIds;
  readonly #warming = new Map<Workspace, Promise<void>>();
  /** By workspace, what the last of the calls that wait for it awaits. */
  readonly #last = new Map<string, Promise<Workspace>>();

  constructor(log: EventLog, workspaces: Workspaces, recent: RecentIds) {
    this.#log = log;
    this.#workspaces = workspaces;
    this.#recent = recent;
  }

  /**
   * A workspace, made if there is none, that is ready to take events; a promise where it is not
   * ready yet. Callers that await that at once go on in the order in which they called, and those
   * that call while others wait behind them.
   *
   * @throws ServiceError `workspace-not-found` where none is made, or `unavailable`.
   */
  ready(id: string, context: Context): Workspace | Promise<Workspace> {
    const workspace = this.#workspaces.get(id);
    const before = this.#last.get(id);
    if (workspace?.warm && !before) {
      return workspace;
    }
    const prepared = this.#prepare(id, context, before);
    this.#last.set(id, prepared);
    // Right before its caller goes on, who was the first to wait for it.
    const done = (): void => {
      if (this.#last.get(id) === prepared) {
        this.#last.delete(id);
      }
    };
    prepared.then(done, done);
    return prepared;
  }

  async #prepare(
    id: string,
    context: Context,
    before: Promise<unknown> | undefined,
  ): Promise<Workspace> {
    let workspace = this.#workspaces.get(id);
    do {
      const cold = workspace ?? (await this.#workspaces.obtain(id, context));
      await once(this.#warming, cold, () => this.#warm(cold));
      await before?.catch(() => undefined);
      // Meanwhile it may have been deleted, and even made again.
      workspace = this.#workspaces.get(id);
    } while (!workspace?.warm);
    return workspace;
  }

  /**
   * A producer whose node died before it answered sends the same ids again: they are in the log.
   * So is the time before which nothing may be accepted.
   */
  async #warm(workspace: Workspace): Promise<void> {
    const { next } = await this.#log.bounds(workspace.id);
    let after = Math.max(BEFORE_FIRST, next - 1 - WARM_EVENTS) as Position;
    // One for all of them, so that an answer takes as long for few as for many: what is retried in
    // order is answered in order.
    const run = { appended: Promise.resolve(0 as Position) };
    while (after < next - 1) {
      const { records } = await this.#log.read(workspace.id, after, WARM_READ_BYTES);
      if (records.length === 0) {
        // The log has forgotten them.
        break;
      }
      for (const { position, event } of records) {
        this.#recent.remember(workspace, event.id, { run, offset: position });
        workspace.acceptedAt(Date.parse(event.createdAt));
        after = position;
      }
    }
    workspace.warm = true;
  }
}
