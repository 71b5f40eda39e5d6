import { uuidv7 } from '../uuid.js';
import type { Event, EventError, JsonObject, Sealed } from '../event.js';
import { sealedSource, type Context } from './context.js';
import { seal } from './fit.js';

interface Own {
  workspaceId: string;
  type: string;
  payload: JsonObject;
  /** Epoch milliseconds. */
  acceptedAt: number;
  error?: EventError;
  /** The paths that the workspace redacts. */
  hidden?: readonly string[];
}

/**
 * An event that the service itself emits: no producer sent it, so nothing of it is to be checked.
 */
export function ownEvent(
  { workspaceId, type, payload, acceptedAt, error, hidden }: Own,
  context: Context,
): Sealed {
  const createdAt = new Date(acceptedAt).toISOString();
  const { source, json } = sealedSource(context, workspaceId, hidden);
  const event: Event = {
    id: uuidv7(),
    type,
    workspaceId,
    time: createdAt,
    createdAt,
    source,
    payload,
    ...(error && { error }),
  };
  return seal(event, json);
}
