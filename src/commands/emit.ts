import { uuidv7 } from '../uuid.js';
import type { Config } from '../config.js';
import { ServiceError } from '../errors.js';
import { BEFORE_FIRST, type Draft, type Event, type Position, type Sealed } from '../event.js';
import type { Source } from '../event.js';
import { metrics } from '../metrics.js';
import { assertCurrent, roleOf } from '../policy.js';
import type { Filter } from '../queries/filter.js';
import { assertEmits, authorise } from './authorise.js';
import { sealedSource, type Context } from './context.js';
import { fit } from './fit.js';
import { RecentIds, type Remembered, type Run } from './idempotency.js';
import type { EventLog } from './log.js';
import { Preparation } from './prepare.js';
import { redact } from './redact.js';
import { validate } from './validate.js';
import type { Workspace } from './workspace.js';
import type { Workspaces } from './workspaces.js';

/** What became of one event of a batch: recorded, recorded before under the same id, or refused. */
export type EmitResult =
  | { readonly id: string; readonly position: Position; readonly duplicate?: true }
  | { readonly error: ServiceError };

export interface Emitted {
  readonly epoch: string;
  /** One for each event sent, in order. */
  readonly results: readonly EmitResult[];
}

/** Where one event of a batch is to go, before the log has answered. */
type Slot =
  | { readonly id: string; readonly at: Remembered; readonly duplicate: boolean }
  | { readonly error: ServiceError };

/** What all events of one call have in common. */
interface Batch {
  readonly workspace: Workspace;
  readonly allowed: Filter;
  readonly source: Source;
  readonly sourceJson: string;
  readonly createdAt: string;
  readonly sealed: Sealed[];
  readonly run: Run;
}

/** The write path: validate, authorise, redact, fit, append; acknowledged when the log has it. */
export class Emitter {
  readonly #log: EventLog;
  readonly #workspaces: Workspaces;
  readonly #config: Pick<Config, 'eventBytesMax' | 'idempotencyWindow'>;
  readonly #recent: RecentIds;
  readonly #preparation: Preparation;

  constructor(
    log: EventLog,
    workspaces: Workspaces,
    config: Pick<Config, 'eventBytesMax' | 'idempotencyWindow'>,
  ) {
    this.#log = log;
    this.#workspaces = workspaces;
    this.#config = config;
    this.#recent = new RecentIds(config.idempotencyWindow);
    this.#preparation = new Preparation(log, workspaces, this.#recent);
  }

  /**
   * Emits a batch, answered item by item. What is accepted is appended as one run, in order. Calls
   * for one workspace are appended in the order of the calls and do not wait for each other: once
   * the workspace is known, nothing up to the append is asynchronous.
   *
   * @throws ServiceError where nothing of the batch can be taken: `workspace-not-found`,
   *   `forbidden`, or `unavailable` when the log cannot confirm it.
   */
  async emit(workspaceId: string, sent: readonly unknown[], context: Context): Promise<Emitted> {
    const { caller } = context;
    // For what a stream or a connection brings long after it was let in.
    assertCurrent(caller);
    const grants = this.#workspaces.get(workspaceId)?.grants;
    assertEmits(roleOf(caller, workspaceId, grants), workspaceId);
    const ready = this.#preparation.ready(workspaceId, context);
    const workspace = ready instanceof Promise ? await ready : ready;
    const role = roleOf(caller, workspaceId, workspace.grants);
    const allowed = assertEmits(role, workspaceId);

    const { source, json: sourceJson } = sealedSource(
      context,
      workspaceId,
      workspace.config.redact,
    );
    const batch: Batch = {
      workspace,
      allowed,
      source,
      sourceJson,
      createdAt: new Date(workspace.acceptedAt()).toISOString(),
      sealed: [],
      run: { appended: Promise.resolve(BEFORE_FIRST) },
    };
    const slots = sent.map((item) => this.#admit(item, batch));
    if (batch.sealed.length > 0) {
      batch.run.appended = this.#append(batch);
      // Of several runs that fail at once, as duplicates may wait for others', one is told below.
      batch.run.appended.catch(() => undefined);
    }
    return { epoch: workspace.epoch, results: await settle(slots) };
  }

  /** Takes one event up to the point where only the log is missing. */
  #admit(item: unknown, batch: Batch): Slot {
    const { workspace, run, sealed } = batch;
    try {
      const draft = validate(item);
      const seen = draft.id === undefined ? undefined : this.#recent.get(workspace, draft.id);
      if (seen && draft.id !== undefined) {
        return { id: draft.id, at: seen, duplicate: true };
      }
      const event = toEvent(draft, batch);
      authorise(batch.allowed, event);
      const { redact: hidden = [], fit: replaceable = [] } = workspace.config;
      if (hidden.length > 0) {
        event.payload = redact(event.payload, hidden);
      }
      sealed.push(fit(event, batch.sourceJson, replaceable, this.#config.eventBytesMax));
      const at = { run, offset: sealed.length - 1 };
      if (draft.id !== undefined) {
        this.#recent.remember(workspace, draft.id, at);
      }
      return { id: event.id, at, duplicate: false };
    } catch (error) {
      if (!(error instanceof ServiceError)) {
        this.#forget(batch);
        throw error;
      }
      metrics.refused.inc({ code: error.code });
      return { error };
    }
  }

  async #append(batch: Batch): Promise<Position> {
    const stop = metrics.appendSeconds.startTimer();
    try {
      const first = await this.#log.append(batch.workspace.id, batch.sealed);
      metrics.emitted.inc(batch.sealed.length);
      return first;
    } catch (error) {
      this.#forget(batch);
      throw error;
    } finally {
      stop();
    }
  }

  /** What was not appended may be sent again. */
  #forget(batch: Batch): void {
    for (const { event } of batch.sealed) {
      this.#recent.forget(batch.workspace, event.id);
    }
  }
}

function toEvent(draft: Draft, { workspace, createdAt, source }: Batch): Event {
  const { id = uuidv7(), type, payload, target, options, time = createdAt } = draft;
  return {
    id,
    type,
    workspaceId: workspace.id,
    time,
    createdAt,
    source,
    payload,
    ...(target && { target }),
    ...(options && { options }),
  };
}

async function settle(slots: readonly Slot[]): Promise<EmitResult[]> {
  const results: EmitResult[] = [];
  // One look at a promise that many slots share: awaiting it for each would cost more than the
  // rest.
  let run: Run | undefined;
  let first = BEFORE_FIRST;
  for (const slot of slots) {
    if ('error' in slot) {
      results.push(slot);
      continue;
    }
    if (slot.at.run !== run) {
      run = slot.at.run;
      first = await run.appended;
    }
    const position = (first + slot.at.offset) as Position;
    if (slot.duplicate) {
      metrics.duplicates.inc();
      results.push({ id: slot.id, position, duplicate: true });
    } else {
      results.push({ id: slot.id, position });
    }
  }
  return results;
}
