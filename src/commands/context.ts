import type { Caller } from '../policy.js';
import type { Source } from '../event.js';
import { redactIp } from './redact.js';

/** One request or one connection: who calls, and what the server itself saw of it. */
export interface Context {
  readonly caller: Caller;
  readonly correlationId: string;
  readonly connectionId: string;
  readonly ip?: string;
  readonly host?: string;
  readonly app?: string;
  readonly traceparent?: string;
}

/** What the service does on its own account. */
export function ownContext(correlationId: string): Context {
  return { caller: { superadmin: true }, correlationId, connectionId: 'service' };
}

/** A source with its serialisation, which all events of one request or connection share. */
export interface SealedSource {
  readonly source: Source;
  readonly json: string;
}

const sources = new WeakMap<Context, SealedSource>();

/** The source of what comes in by a context, worked out once however many events that is. */
export function sealedSource(context: Context, workspaceId: string): SealedSource {
  let sealed = sources.get(context);
  if (sealed?.source.workspaceId !== workspaceId) {
    const source = sourceOf(context, workspaceId);
    sealed = { source, json: JSON.stringify(source) };
    sources.set(context, sealed);
  }
  return sealed;
}

/** The `source` of the events that come in by a context. The producer has no say in it. */
export function sourceOf(context: Context, workspaceId: string): Source {
  const { caller, correlationId, connectionId, host, app, traceparent } = context;
  const ip = redactIp(context.ip);
  return {
    ...(caller.userId !== undefined && { userId: caller.userId }),
    ...(caller.sessionId !== undefined && { sessionId: caller.sessionId }),
    workspaceId,
    correlationId,
    connectionId,
    ...(ip !== undefined && { ip }),
    ...(host !== undefined && { host }),
    ...(app !== undefined && { app }),
    ...(traceparent !== undefined && { traceparent }),
  };
}
