/** Who an event is for, where it is not for every reader of the workspace. */
import { allOf, and, anyOf, canonical, list, not, type Filter } from './queries/filter.ast.js';

/** What a target can name of a caller. */
export interface Addressee {
  readonly userId?: string;
  readonly sessionId?: string;
  /** Of a WebSocket; no other connection lasts, so an event cannot be for one. */
  readonly connectionId?: string;
  readonly topics?: readonly string[];
}

const FIELDS = ['userId', 'sessionId', 'connectionId', 'topic'] as const;

function namesOf(addressee: Addressee, field: (typeof FIELDS)[number]): readonly string[] {
  if (field === 'topic') {
    return addressee.topics ?? [];
  }
  const name = addressee[field];
  return name === undefined ? [] : [name];
}

/**
 * What a caller has emitted, and what is targeted at the caller; `undefined` for who is nobody in
 * particular.
 */
export function ownOf(addressee: Addressee): Filter | undefined {
  const { userId, sessionId } = addressee;
  const emitted = [
    ...(userId === undefined ? [] : [list('source.userId', [userId])]),
    // A session says less than a user, and counts where there is no user.
    ...(userId === undefined && sessionId !== undefined
      ? [list('source.sessionId', [sessionId])]
      : []),
  ];
  const targeted = FIELDS.flatMap((field) => {
    const names = namesOf(addressee, field);
    return names.length > 0 ? [list(`target.${field}`, names)] : [];
  });
  const parts = [...emitted, ...targeted];
  return parts.length > 0 ? canonical(anyOf(parts)) : undefined;
}

/**
 * Without what is targeted at others: every field that a target has must name the caller. An event
 * without a target is for everybody.
 */
export function forMe(read: Filter, addressee: Addressee): Filter {
  const nodes = FIELDS.map((field) => {
    const names = namesOf(addressee, field);
    const absent = not({ op: 'exists', field: `target.${field}` });
    return names.length > 0 ? anyOf([absent, list(`target.${field}`, names)]) : absent;
  });
  return and(read, canonical(allOf(nodes)));
}
