import { readLog, type Logged } from '../support/log.js';
import { faults } from '../support/sequence.js';
import type { Tailer } from '../support/tailer.js';
import { WORKSPACE, type Visitor } from './storm.js';

/**
 * What the subscribers of a storm have to complain about: nothing, where each of them received
 * exactly what the log holds from its start on.
 */
export async function complaints(url: string, visitors: readonly Visitor[]): Promise<string[]> {
  const log = await readLog(url, WORKSPACE);
  return visitors.flatMap((one) => complaintsOf(one, log));
}

function complaintsOf(one: Visitor, log: readonly Logged[]): string[] {
  const { tailer, matches } = one;
  const { transport, from, filter } = tailer.wish;
  const who = JSON.stringify({ transport, from, filter });
  const wanted = log.filter(({ event }) => matches(event.payload.n as number));
  const expected = wanted.filter(beginOf(one, log));
  return [
    ...tailer.complaints,
    ...faults(tailer.received, expected).map(({ kind, at }) => `a ${kind} at ${at}`),
    ...startComplaints(one, wanted),
  ].map((complaint) => `${who}: ${complaint}`);
}

/** Tells the events from where a subscriber began on. */
function beginOf({ tailer }: Visitor, log: readonly Logged[]): (logged: Logged) => boolean {
  const { from } = tailer.wish;
  if (typeof from === 'object' && 'time' in from) {
    // Of two nodes, the one may accept an event earlier and have it in the log later.
    const first = log.find(({ event }) => event.createdAt >= from.time)?.position ?? Infinity;
    return ({ position }) => position >= first;
  }
  const after = from === 'start' ? -1 : beganAfter(tailer);
  return ({ position }) => position > after;
}

function beganAfter({ began, received }: Tailer): number {
  return began ?? (received[0]?.position ?? 0) - 1;
}

/**
 * Where `now` was, and which were the last events, only the service knows to the event: between
 * what was acknowledged before the subscriber came, and what was not yet sent when it was answered.
 */
function startComplaints(one: Visitor, wanted: readonly Logged[]): string[] {
  const { tailer, acknowledgedBefore = -1, sentAtAnswer = 0 } = one;
  const { from } = tailer.wish;
  const after = beganAfter(tailer);
  const unsent = wanted.find(({ event }) => event.payload.n >= sentAtAnswer)?.position ?? 0;
  if (from === 'now' && (after < acknowledgedBefore || after >= unsent)) {
    return [`now is ${after}, not ${acknowledgedBefore} to ${unsent}`];
  }
  if (typeof from === 'object' && 'last' in from) {
    const upTo = (end: number): number =>
      wanted.filter(({ position }) => position > after && position < end).length;
    const [least, most] = [upTo(acknowledgedBefore + 1), upTo(unsent)];
    const held = wanted.filter(({ position }) => position < unsent).length;
    if (least > from.last || most < Math.min(from.last, held)) {
      return [`the last ${from.last} are ${least} to ${most}`];
    }
  }
  return [];
}
