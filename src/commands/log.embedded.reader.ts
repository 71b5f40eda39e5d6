/** The thread that reads the log file, so that no read holds a commit up. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { lowest } from '../bisect.js';
import { Recorded, type Position } from '../event.js';
import { pack, unpack, type Slab } from '../slab.js';
import { moving, serve } from '../thread.js';
import { keyOf, type LogRow } from './log.embedded.rows.js';

/** What was found from a position on; `from` is the position of the first record. */
export interface Found extends Slab {
  readonly first: number;
  readonly from: number;
}

interface RunRow {
  readonly key: number;
  readonly count: number;
  readonly created: number;
}
interface FullRunRow extends RunRow {
  readonly ends: Uint8Array;
  readonly slab: Uint8Array;
}

/** The newest records of a log, from a position on. */
export interface Span {
  readonly begin: number;
  readonly bytes: number;
  /** That are all which the log holds. */
  readonly isWhole: boolean;
}

/** So many runs are measured in a few ms, for which other reads wait. */
const measuredMax = 2000;

const { folder } = workerData as { folder: string };
const db = new Database(join(folder, 'log.sqlite'), { readonly: true, fileMustExist: true });

// The epoch, because by the time of the read the workspace may have been dropped and made again.
const selectLog = db.prepare<[string, string], LogRow>(
  'SELECT * FROM logs WHERE workspace = ? AND epoch = ?',
);
const selectRunAt = db.prepare<[number], RunRow>(
  'SELECT key, count, created FROM runs WHERE key <= ? ORDER BY key DESC LIMIT 1',
);
const selectRuns = db.prepare<[number, number], FullRunRow>(
  'SELECT key, count, created, ends, slab FROM runs WHERE key >= ? AND key < ? ORDER BY key',
);

// The length stands before the bytes, which are not read.
const selectSizes = db.prepare<[number, number], { key: number; bytes: number }>(
  `SELECT key, length(slab) AS bytes FROM runs WHERE key >= ? AND key < ?
   ORDER BY key DESC LIMIT ${measuredMax}`,
);

function recordsOf({ key, count, ends, slab }: FullRunRow): Uint8Array[] {
  // Copied, because a view of 32-bit integers must begin at a multiple of four.
  const records = unpack(new Uint32Array(Uint8Array.from(ends).buffer), slab);
  assert.equal(records.length, count, `run ${key} does not hold as many records as it says`);
  return records;
}

/** `undefined` where there is no such log (any more). */
function read(
  workspace: string,
  epoch: string,
  after: number,
  limitBytes: number,
): Found | undefined {
  const log = selectLog.get(workspace, epoch);
  if (!log) {
    return undefined;
  }
  const from = Math.max(after + 1, log.first);
  const records = from < log.next ? collect(log, from, limitBytes) : [];
  const found = { first: log.first, from, ...pack(records) };
  return moving(found, [found.ends.buffer, found.slab.buffer]);
}

function collect(log: LogRow, from: number, limitBytes: number): { bytes: Uint8Array }[] {
  const records: { bytes: Uint8Array }[] = [];
  const end = keyOf(log.number, log.next);
  let key = keyOf(log.number, from);
  let bytesLeft = limitBytes;
  for (const run of selectRuns.iterate(selectRunAt.get(key)?.key ?? key, end)) {
    const skipped = key - run.key;
    assert(
      skipped === 0 || (records.length === 0 && skipped > 0 && skipped < run.count),
      `log ${log.number} has a gap or an overlap at run ${run.key}`,
    );
    for (const bytes of recordsOf(run).slice(skipped)) {
      bytesLeft -= bytes.byteLength;
      if (bytesLeft < 0 && records.length > 0) {
        return records;
      }
      records.push({ bytes });
      key++;
    }
  }
  assert.equal(key, end, `log ${log.number} ends before its end`);
  return records;
}

/** The position before the first record created at or after a time. */
function seek(workspace: string, epoch: string, time: number): number | undefined {
  const log = selectLog.get(workspace, epoch);
  if (!log) {
    return undefined;
  }
  const first = keyOf(log.number, log.first);
  let begin = first;
  let end = keyOf(log.number, log.next);
  let last: RunRow | undefined;
  // Bisects the keys for the last run that begins before the time: a probe lands in a run, and
  // rules out all keys up to its end or from its begin on.
  while (begin < end) {
    const probe = begin + Math.floor((end - begin) / 2);
    const run = selectRunAt.get(probe);
    assert(run && probe < run.key + run.count, `log ${log.number} has a gap`);
    if (run.created < time) {
      last = run;
      begin = run.key + run.count;
    } else {
      end = run.key;
    }
  }
  const key = last ? last.key + countBefore(last.key, time) : first;
  return Math.max(key, first) - keyOf(log.number, 0) - 1;
}

/** How many records of a run were created before a time. */
function countBefore(key: number, time: number): number {
  const [run] = selectRuns.all(key, key + 1);
  const records = run ? recordsOf(run) : [];
  return lowest(records.length, (index) => {
    const { event } = new Recorded(index as Position, records[index]!);
    return Date.parse(event.createdAt) >= time;
  });
}

/** Extends a span by some of the runs before it, until it has so many bytes. */
function extend(workspace: string, epoch: string, span: Span, enough: number): Span | undefined {
  const log = selectLog.get(workspace, epoch);
  if (!log) {
    return undefined;
  }
  const begin = keyOf(log.number, log.first);
  let { bytes } = span;
  // The run in which the log begins is held in part; it counts as a whole, and stays.
  const first = selectRunAt.get(begin)?.key ?? begin;
  let end = keyOf(log.number, Math.min(span.begin, log.next));
  for (const run of selectSizes.iterate(Math.max(first, keyOf(log.number, 0)), end)) {
    bytes += run.bytes;
    end = run.key;
    if (bytes >= enough) {
      break;
    }
  }
  return {
    begin: Math.max(end, begin) - keyOf(log.number, 0),
    bytes,
    isWhole: end <= begin || log.first === log.next,
  };
}

const api = {
  // In a transaction, so that the log's row and its runs are of the same moment.
  read: db.transaction(read),
  seek: db.transaction(seek),
  extend: db.transaction(extend),
  close: () => {
    db.close();
  },
};
export type Reader = typeof api;

serve(api);
