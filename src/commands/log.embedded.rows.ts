/**
 * What the threads of the embedded log tell each other, and how all logs share one table of runs.
 */

import type { Slab } from '../slab.js';

/** Together 2^53: a key is exact as a JavaScript number. 8.6 thousand million records a log. */
export const positionsMax = 2 ** 33;
export const logsMax = 2 ** 20;

export function keyOf(log: number, position: number): number {
  return log * positionsMax + position;
}

/** Consecutive records of one log that are stored as one row. */
export interface Run extends Slab {
  /** The number of its log. */
  readonly log: number;
  readonly first: number;
  /** createdAt of the first record, in epoch milliseconds. */
  readonly created: number;
}

export interface LogRow {
  readonly number: number;
  /** `null` once it is dropped. */
  readonly workspace: string | null;
  readonly epoch: string;
  readonly first: number;
  readonly next: number;
  /** As JSON. */
  readonly retention: string;
}

export type NewLog = Pick<LogRow, 'epoch' | 'retention'> & { readonly workspace: string };
