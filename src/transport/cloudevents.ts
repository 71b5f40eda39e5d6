import type { IncomingMessage } from 'node:http';
import type { ValidateFunction } from 'ajv';
import { parseJson } from '../commands/json.js';
import { faults, schema } from '../commands/validate.js';
import { ServiceError } from '../errors.js';
import { mediaType } from './body.js';

const STRUCTURED = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';
const PREFIX = 'ce-';

/** What the service needs of a CloudEvent; `schemas/openapi.yaml` holds the schema. */
interface CloudEvent {
  id: string;
  type: string;
  time?: string;
  data: Record<string, unknown>;
}

const single = schema<CloudEvent>('openapi.yaml', 'CloudEvent');
const batch = schema<CloudEvent[]>('openapi.yaml', 'CloudEvents');

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
 * @throws ServiceError `invalid-body` for what is no CloudEvent 1.0 with an object as its data,
 *   `invalid-json`.
 */
export function cloudEvents(request: IncomingMessage, body: Buffer): readonly unknown[] {
  const sent = parseJson(body);
  switch (mediaType(request)) {
    case BATCH:
      return valid(batch, sent).map(toDraft);
    case STRUCTURED:
      return [toDraft(valid(single, sent))];
    default:
      return [toDraft(valid(single, { ...attributes(request), data: sent }))];
  }
}

function valid<T>(schema: ValidateFunction<T>, sent: unknown): T {
  if (schema(sent)) {
    return sent;
  }
  const errors = faults(schema.errors);
  const { path, message } = errors[0]!;
  throw new ServiceError('invalid-body', `CloudEvents 1.0: ${path || 'the body'} ${message}.`, {
    errors,
  });
}

/** Of binary mode: headers, percent-encoded where they are beyond ASCII (HTTP binding, 3.1.3.2). */
function attributes({ headers }: IncomingMessage): Record<string, string> {
  const given = Object.entries(headers).filter(([name]) => name.startsWith(PREFIX));
  try {
    return Object.fromEntries(
      given.map(([name, value]) => [name.slice(PREFIX.length), decodeURIComponent(String(value))]),
    );
  } catch (error) {
    throw new ServiceError('invalid-request', 'A ce-* header has an escape that is not UTF-8.', {
      cause: error,
    });
  }
}

/** Attributes that only tell how the data came over the wire. */
const OF_THE_WIRE = new Set(['datacontenttype', 'specversion']);

function toDraft({ id, type, time, data, ...rest }: CloudEvent): unknown {
  const kept = Object.entries(rest).filter(([name]) => !OF_THE_WIRE.has(name));
  const payload = { ...data, cloudevent: Object.fromEntries(kept) };
  return { id, type, payload, ...(time !== undefined && { time }) };
}
