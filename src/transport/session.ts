import type { Context } from '../commands/context.js';
import type { Key } from '../commands/keyring.js';
import { ServiceError } from '../errors.js';
import { ANONYMOUS, assertCurrent, expired, revoked, roleOf, type Caller } from '../policy.js';
import type { Service } from '../service.js';
import { callAt } from '../timer.js';
import type { Authenticator } from './authenticate.js';

/** What a session has to say to the connection that it is of. */
export interface SessionEvents {
  /** The credential expires soon; from `closesAt` on the connection is over. Epoch milliseconds. */
  expiring(expiresAt: number, closesAt: number): void;
  /** Who is at the other end is known by a newer credential, and may read something else. */
  changed(caller: Caller): void;
  /** The connection has to be closed. */
  over(error: ServiceError): void;
}

/** Who is at the other end of a WebSocket, which may change: credentials expire and are renewed. */
export class Session {
  readonly workspace: string;
  readonly #service: Service;
  readonly #callers: Authenticator;
  readonly #events: SessionEvents;
  #context: Context;
  /** Gives back the place that a connection takes once it is known whose it is. */
  #leave: () => void = () => undefined;
  #isClosed = false;
  #disarm: () => void = () => undefined;

  constructor(
    service: Service,
    callers: Authenticator,
    { workspace, context }: { workspace: string; context: Context },
    events: SessionEvents,
  ) {
    this.#service = service;
    this.#callers = callers;
    this.workspace = workspace;
    this.#context = context;
    this.#events = events;
    if (this.isKnown) {
      this.#adopt(context.caller);
    } else {
      const { authWaitSeconds } = service.config;
      this.#disarm = callAt(Date.now() + authWaitSeconds * 1000, () => {
        const message = `Nothing was said of who is calling for ${authWaitSeconds} seconds.`;
        events.over(new ServiceError('unauthorized', message));
      });
    }
  }

  get context(): Context {
    return this.#context;
  }

  get isKnown(): boolean {
    return this.#context.caller !== ANONYMOUS;
  }

  /**
   * Takes a first credential, or a newer one of the same user.
   *
   * @throws ServiceError `unauthorized`, `forbidden`, `workspace-not-found` or `limit-exceeded`;
   *   who was known before stays who they were.
   */
  async authenticate(credential: string): Promise<Caller> {
    const caller = await this.#callers.callerWith(credential);
    if (this.isKnown && caller.userId !== this.#context.caller.userId) {
      const message = 'The credential is of another user, who needs a connection of their own.';
      throw new ServiceError('forbidden', message);
    }
    await assertMayConnect(caller, this.workspace, this.#service);
    if (this.#isClosed) {
      return caller;
    }
    if (!this.isKnown) {
      this.#leave = enter(caller, this.workspace, this.#service);
    }
    this.#adopt(caller);
    this.#events.changed(this.#context.caller);
    return caller;
  }

  /** The workspace has another configuration, by which the caller may be nobody. */
  recheck(): void {
    if (this.isKnown) {
      try {
        assertMay(this.#context.caller, this.workspace, this.#service);
      } catch (error) {
        this.#events.over(error as ServiceError);
      }
    }
  }

  revoked(key: Key): void {
    if (this.#context.caller.key === key) {
      this.#events.over(revoked());
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
    this.#leave();
  }

  #adopt({ expiresAt, ...caller }: Caller): void {
    const { connectionId } = this.#context;
    this.#disarm();
    if (expiresAt === undefined) {
      this.#context = { ...this.#context, caller: { ...caller, connectionId } };
      return;
    }
    const { authWarningSeconds, authGraceSeconds } = this.#service.config;
    const closesAt = expiresAt + authGraceSeconds * 1000;
    // During the grace, what is open goes on: that is what it is for.
    const renewable = { ...caller, connectionId, expiresAt: closesAt };
    this.#context = { ...this.#context, caller: renewable };
    const warned = callAt(expiresAt - authWarningSeconds * 1000, () => {
      this.#events.expiring(expiresAt, closesAt);
    });
    const closed = callAt(closesAt, () => {
      this.#events.over(expired());
    });
    this.#disarm = () => {
      warned();
      closed();
    };
  }
}

/** @throws ServiceError `unauthorized`, `forbidden` or `workspace-not-found` */
export async function assertMayConnect(
  caller: Caller,
  workspace: string,
  service: Service,
): Promise<void> {
  assertMay(caller, workspace, service);
  if (!service.config.autoCreateWorkspaces) {
    await service.workspaces.require(workspace);
  }
}

/** A WebSocket is for who may read or emit; which of them is looked at frame by frame. */
function assertMay(caller: Caller, workspace: string, { workspaces }: Service): void {
  assertCurrent(caller);
  const { read, emit } = roleOf(caller, workspace, workspaces.get(workspace)?.grants);
  if (!read && !emit) {
    const message = `You may neither read the workspace ${workspace} nor emit into it.`;
    throw new ServiceError('forbidden', message);
  }
}

/**
 * Takes the place of a connection.
 *
 * @returns What gives it back.
 * @throws ServiceError `limit-exceeded`
 */
export function enter(caller: Caller, workspace: string, { quotas }: Service): () => void {
  return quotas.enter('connections', { workspace, caller });
}
