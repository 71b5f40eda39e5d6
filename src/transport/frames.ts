import { faults, schema } from '../commands/validate.js';
import { ServiceError } from '../errors.js';
import type { From } from '../queries/from.js';

export type RequestId = number | string;

export interface EmitFrame {
  op: 'emit';
  id?: RequestId;
  events: unknown[];
}
export interface SubscribeFrame {
  op: 'subscribe';
  id?: RequestId;
  filter?: unknown;
  from?: From;
  pace?: number;
}
export interface UnsubscribeFrame {
  op: 'unsubscribe';
  id?: RequestId;
  subscription: string;
}
export interface AuthenticateFrame {
  op: 'authenticate';
  id?: RequestId;
  token: string;
}
/** What a client may send; `schemas/asyncapi.yaml` holds the schemas. */
export type ClientFrame = EmitFrame | SubscribeFrame | UnsubscribeFrame | AuthenticateFrame;

const frames = {
  emit: schema<EmitFrame>('asyncapi.yaml', 'emit'),
  subscribe: schema<SubscribeFrame>('asyncapi.yaml', 'subscribe'),
  unsubscribe: schema<UnsubscribeFrame>('asyncapi.yaml', 'unsubscribe'),
  authenticate: schema<AuthenticateFrame>('asyncapi.yaml', 'authenticate'),
};

/** What the answer to a frame is to be labelled with, even where the frame is refused. */
export function requestId(sent: unknown): RequestId | undefined {
  const { id } = (sent ?? {}) as { id?: unknown };
  return typeof id === 'number' || (typeof id === 'string' && id.length <= 128) ? id : undefined;
}

/** @throws ServiceError `invalid-frame` naming what is wrong, and which operations there are. */
export function checked(sent: unknown): ClientFrame {
  const { op } = (sent ?? {}) as { op?: unknown };
  if (typeof op !== 'string' || !Object.hasOwn(frames, op)) {
    const message = `must be one of ${Object.keys(frames).join(', ')}`;
    throw new ServiceError('invalid-frame', `op ${message}.`, {
      errors: [{ path: 'op', message }],
    });
  }
  const validate = frames[op as keyof typeof frames];
  if (!validate(sent)) {
    const errors = faults(validate.errors);
    const { path, message } = errors[0]!;
    throw new ServiceError('invalid-frame', `${path || 'The frame'} ${message}.`, { errors });
  }
  return sent;
}
