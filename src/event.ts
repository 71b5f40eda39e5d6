/** The nouns of the service: what a producer sends, what is recorded, and where it stands. */

export type Json = string | number | boolean | null | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

declare const brand: unique symbol;

/**
 * Where an event stands in its workspace's log: grows, not necessarily by one, from 0. On Kafka it
 * is the offset.
 */
export type Position = number & { readonly [brand]: 'Position' };

/** The position before every event: what a reader that wants all of them has seen so far. */
export const BEFORE_FIRST = -1 as Position;

/**
 * What a store knows the history of a workspace by. A workspace that is made again, in another
 * epoch, shares nothing with the one before, not even while that is still being forgotten; nor does
 * a history that is rebuilt, in another generation, with the one whose place it takes.
 */
export interface Incarnation {
  readonly id: string;
  readonly epoch: string;
  /** 0, unless it was rebuilt; never given twice within an epoch. */
  readonly generation: number;
}

/** The one name of an incarnation: an id has no slash, and an epoch neither slash nor dot. */
export function nameOf({ id, epoch, generation }: Incarnation): string {
  return generation === 0 ? `${id}/${epoch}` : `${id}/${epoch}.${generation}`;
}

/** Who receives an event, where not every reader of the workspace should. */
export interface Target {
  userId?: string;
  sessionId?: string;
  connectionId?: string;
  topic?: string;
}

export interface Options {
  /** `false` keeps the event out of the history (search, export), not out of the log. */
  persist?: boolean;
}

/** What a producer sends. `schemas/openapi.yaml` holds its schema. */
export interface Draft {
  id?: string;
  type: string;
  payload: JsonObject;
  target?: Target;
  options?: Options;
  /** When it happened, RFC 3339. Without it, it happened when it was accepted. */
  time?: string;
}

/** Where an event came from. Set by the server alone: a producer cannot forge it. */
export interface Source {
  userId?: string;
  sessionId?: string;
  workspaceId: string;
  correlationId: string;
  connectionId: string;
  ip?: string;
  host?: string;
  app?: string;
  traceparent?: string;
}

/** What an event of type `error` says of the failure it reports; never a stack. */
export interface EventError {
  code: string;
  message: string;
}

/** What is recorded. */
export interface Event {
  id: string;
  type: string;
  workspaceId: string;
  /** When it happened: the producer's own words, RFC 3339. */
  time: string;
  /**
   * When it was accepted: ISO 8601 in UTC with milliseconds, never decreasing within a workspace on
   * one node.
   */
  createdAt: string;
  source: Source;
  target?: Target;
  payload: JsonObject;
  options?: Options;
  error?: EventError;
}

/**
 * An event with its only serialisation: the bytes that are stored, framed, exported and returned.
 */
export interface Sealed {
  readonly event: Event;
  readonly bytes: Uint8Array;
}

/** An event as the log holds it. Parsed at most once, and only when somebody looks inside. */
export class Recorded {
  readonly position: Position;
  readonly bytes: Uint8Array;
  #event: Event | undefined;

  constructor(position: Position, bytes: Uint8Array, event?: Event) {
    this.position = position;
    this.bytes = bytes;
    this.#event = event;
  }

  get event(): Event {
    this.#event ??= JSON.parse(
      Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).toString(),
    ) as Event;
    return this.#event;
  }
}

/** The event of a record; nothing where that is none: on Kafka, others may write as well. */
export function eventOf(record: Recorded): Event | undefined {
  try {
    const { event } = record as { event: Event | null };
    const isEvent = typeof event?.id === 'string' && typeof event.type === 'string';
    return isEvent && event.payload instanceof Object ? event : undefined;
  } catch {
    return undefined;
  }
}
