import type { ErrorCode } from '../../src/errors.js';
import { request } from '../support/raw.js';

/** The workspace that is attacked, and what of it and of another one an attacker may know. */
export interface Known {
  /** Its cursors begin with this. */
  readonly epoch: string;
  /** A valid cursor of another workspace. */
  readonly foreign: string;
}

export const TARGET = 'target';
export const EVENTS = `/v2/workspaces/${TARGET}/events`;

/** What the node that is attacked allows: little, so that attacks on limits are short. */
export const LIMITS = {
  eventBytesMax: 4096,
  bodyBytesMax: 65_536,
  batchEventsMax: 10,
  pageEventsMax: 100,
  subscriptionsMax: 3,
  waitSecondsMax: 5,
} as const;

/** One hostile request, and how it has to be met. */
export interface Attack {
  /** A sentence that names it. */
  readonly attack: string;
  readonly bytes: Buffer | ((known: Known) => Buffer);
  /** Whether the client closes its side right behind the last byte. */
  readonly breaksOff?: true;
  readonly status: number;
  /** Of the refusal, or of its first item. Absent where it is taken, for it does no harm. */
  readonly code?: ErrorCode;
  /** What the refusal must tell, so that its reader can mend the request. */
  readonly says?: RegExp;
  /** What a JSON answer must tell where it is taken. */
  readonly tells?: Readonly<Record<string, unknown>>;
  /** How many events it adds to the log. */
  readonly records?: number;
}

export const JSON_TYPE = { 'Content-Type': 'application/json' };
export const LINES_TYPE = { 'Content-Type': 'application/x-ndjson' };

export const DRAFT = '{"type":"a","payload":{}}';

/** Emits a body, by default as JSON. */
export function emits(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = JSON_TYPE,
): Buffer {
  return request('POST', EVENTS, headers, body);
}

/** Reads the events with a query string. */
export function reads(query: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  return request('GET', `${EVENTS}?${query}`, headers);
}

/** A number of brackets within each other. */
export function nested(levels: number, within = ''): string {
  return '['.repeat(levels) + within + ']'.repeat(levels);
}

/** An event in which a character is encoded longer than it is. */
export const NOT_UTF8 = Buffer.concat([
  Buffer.from('{"type":"a","payload":{"s":"'),
  Buffer.from([0xc0, 0x80]),
  Buffer.from('"}}'),
]);

/** A draft of which one field is wrong. */
export function draft(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ type: 'a', payload: {}, ...fields });
}

/** Attacks that are refused in the same way. */
export function refused(
  rows: readonly (readonly [attack: string, bytes: Attack['bytes'], says: RegExp])[],
  status: number,
  code: ErrorCode,
): Attack[] {
  return rows.map(([attack, bytes, says]) => ({ attack, bytes, status, code, says }));
}
