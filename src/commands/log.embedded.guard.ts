import assert from 'node:assert/strict';
import Database from 'better-sqlite3';
import { ServiceError } from '../errors.js';

/** A full disk needs somebody to make room; asking more often does not help. */
const retryAfterSeconds = 10;

/**
 * A write that a full disk may refuse. Any other failure ends the thread: after a failed fsync,
 * for one, the kernel may have thrown the pages away and report success to the next one, so that
 * going on could acknowledge what is lost.
 */
export function guarded<A extends unknown[], R>(write: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    try {
      return write(...args);
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) {
        throw error;
      }
      if (error.code === 'SQLITE_FULL') {
        throw new ServiceError('unavailable', 'the disk is full', { retryAfterSeconds });
      }
      return assert.fail(`writing the log failed: ${error.code} ${error.message}`);
    }
  };
}
