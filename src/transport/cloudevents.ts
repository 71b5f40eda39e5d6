import type { IncomingMessage } from 'node:http';
import { HTTP, type CloudEventV1 } from 'cloudevents';
import { parseJson } from '../commands/json.js';
import { ServiceError } from '../errors.js';
import { mediaType } from './body.js';

const STRUCTURED = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';

/** CloudEvents HTTP binding 1.0: structured and batched by media type, binary by its headers. */
export function isCloudEvent(request: IncomingMessage): boolean {
  const type = mediaType(request);
  return type === STRUCTURED || type === BATCH || request.headers['ce-specversion'] !== undefined;
}

/**
 * The drafts that CloudEvents stand for: `data` is the payload, and what an event has no field for
 * (source, subject, dataschema, extensions) goes along under `payload.cloudevent`. The event’s own
 * `source` stays the server’s word.
 *
 * @throws ServiceError `invalid-body` for what is no CloudEvent 1.0, `invalid-json`.
 */
export function cloudEvents(request: IncomingMessage, body: Buffer): readonly unknown[] {
  if (body.length > 0) {
    parseJson(body);
  }
  try {
    const parsed = HTTP.toEvent<unknown>({ headers: request.headers, body: body.toString() });
    return [parsed].flat().map(toDraft);
  } catch (error) {
    throw new ServiceError(
      'invalid-body',
      `Not a CloudEvent 1.0: ${(error as Error).message.slice(0, 200)}`,
      { cause: error },
    );
  }
}

/** What an event has a field for, or what only tells how the data came over the wire. */
const CARRIED = new Set(['id', 'type', 'time', 'data', 'datacontenttype', 'specversion']);

function toDraft(event: CloudEventV1<unknown>): unknown {
  const { id, type, time, data } = event;
  const attributes = Object.fromEntries(
    Object.entries(event).filter(([name, value]) => !CARRIED.has(name) && value !== undefined),
  );
  const payload =
    typeof data === 'object' && data !== null && !Array.isArray(data)
      ? { ...data, cloudevent: attributes }
      : data;
  return { id, type, payload, ...(time !== undefined && { time }) };
}
