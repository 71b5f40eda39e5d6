import { SUPERADMIN_CALLER, type Caller } from '../policy.js';
import type { Source } from '../event.js';
import { redactIp, redactSource } from './redact.js';

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
  return { caller: SUPERADMIN_CALLER, correlationId, connectionId: 'service' };
}

/** A source with its serialisation, which all events of one request or connection share. */
export interface SealedSource {
  readonly source: Source;
  readonly json: string;
}

const sources = new WeakMap<Context, { sealed: SealedSource; hidden: readonly string[] }>();
const NOTHING: readonly string[] = [];

/**
 * The source of what comes in by a context, worked out once however many events that is.
 *
 * @param hidden The paths that the workspace redacts.
 */
export function sealedSource(
  context: Context,
  workspaceId: string,
  hidden: readonly string[] = NOTHING,
): SealedSource {
  let known = sources.get(context);
  if (known?.sealed.source.workspaceId !== workspaceId || known.hidden !== hidden) {
    const source = redactSource(sourceOf(context, workspaceId), hidden);
    known = { sealed: { source, json: JSON.stringify(source) }, hidden };
    sources.set(context, known);
  }
  return known.sealed;
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
