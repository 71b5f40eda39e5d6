/** What the file of the embedded store can tell of the matches of a plan, newest first. */
import type { Database, Statement } from 'better-sqlite3';
import type { Plan } from '../queries/filter.sqlite.js';
import { keyOf, positionOf } from './store.sqlite.file.js';
import { windowPositions, windowToken } from './tokens.sqlite.js';

export interface EventRow {
  readonly key: number;
  readonly bytes: Buffer;
}

/** All matches from a position on, up to where one looked, are among the rows. */
export interface Stretch {
  readonly first: number;
  readonly rows: IterableIterator<EventRow>;
}

export class Candidates {
  readonly #newest: Statement<[number, number], number | null>;
  readonly #all: Statement<[number, number], EventRow>;
  readonly #byId: Statement<[number, number, number, string], EventRow>;
  readonly #byTokens: Statement<[string, number, number], EventRow>;

  constructor(db: Database) {
    this.#newest = db
      .prepare<[number, number], number | null>(
        'SELECT max(key) FROM events WHERE key >= ? AND key <= ?',
      )
      .pluck();
    this.#all = db.prepare(
      'SELECT key, bytes FROM events WHERE key >= ? AND key <= ? ORDER BY key DESC',
    );
    this.#byId = db.prepare(
      `SELECT key, bytes FROM events
       WHERE key >= ? AND key <= ? AND workspace = ? AND id IN (SELECT value FROM json_each(?))
       ORDER BY key DESC`,
    );
    // Numbers are bound as REAL, of which FTS5 takes no bound: it would begin at the newest of all.
    this.#byTokens = db.prepare(
      `SELECT key, bytes FROM tokens CROSS JOIN events ON key = tokens.rowid
       WHERE tokens MATCH ?
         AND tokens.rowid >= CAST(? AS INTEGER) AND tokens.rowid <= CAST(? AS INTEGER)
       ORDER BY tokens.rowid DESC`,
    );
  }

  /** The newest stretch up to a position; `undefined` when there is no event left in the range. */
  newest(workspace: number, plan: Plan, last: number): Stretch | undefined {
    const [low, high] = [keyOf(workspace, plan.first), keyOf(workspace, last)];
    const newest = low <= high ? this.#newest.get(low, high) : null;
    if (newest === null || newest === undefined) {
      return undefined;
    }
    if (plan.ids) {
      const ids = JSON.stringify(plan.ids);
      return { first: plan.first, rows: this.#byId.iterate(low, newest, workspace, ids) };
    }
    if (plan.match === undefined) {
      return { first: plan.first, rows: this.#all.iterate(low, newest) };
    }
    // FTS5 does not come back between two matches, and would run through all of two frequent terms
    // that never meet. The token of a window ends that where the window ends.
    const position = positionOf(newest);
    const match = `${plan.match} AND ${windowToken(workspace, position)}`;
    return {
      first: Math.max(plan.first, position - (position % windowPositions)),
      rows: this.#byTokens.iterate(match, low, newest),
    };
  }
}
