/** What the file of the embedded store can tell of the matches of a plan, in the order of keys. */
import type { Database, Statement } from 'better-sqlite3';
import type { Plan } from '../queries/filter.sqlite.js';
import { keyOf, positionOf } from './store.sqlite.file.js';
import { windowPositions, windowToken } from './tokens.sqlite.js';

export type Order = 'newest' | 'oldest';

/** All matches in a stretch of positions are among the rows; the search goes on beyond its end. */
export interface Stretch<Row> {
  /** The last of its positions, in the order of the search. */
  readonly end: number;
  readonly rows: IterableIterator<Row>;
}

interface Statements<Row> {
  readonly nearest: Statement<[number, number], number | null>;
  readonly all: Statement<[number, number], Row>;
  readonly byId: Statement<[number, number, number, string], Row>;
  readonly byTokens: Statement<[string, number, number], Row>;
}

export class Candidates<Row extends { readonly key: number }> {
  readonly #newest: Statements<Row>;
  readonly #oldest: Statements<Row>;

  /** @param column What of a candidate is read beside its key. */
  constructor(db: Database, column: 'bytes' | 'time') {
    this.#newest = prepare(db, column, 'max', 'DESC');
    this.#oldest = prepare(db, column, 'min', 'ASC');
  }

  /** The next stretch of a range of positions; `undefined` when there is no event left in it. */
  next(
    workspace: number,
    plan: Plan,
    first: number,
    last: number,
    order: Order,
  ): Stretch<Row> | undefined {
    const statements = order === 'newest' ? this.#newest : this.#oldest;
    const [low, high] = [keyOf(workspace, first), keyOf(workspace, last)];
    const nearest = low <= high ? statements.nearest.get(low, high) : null;
    if (nearest === null || nearest === undefined) {
      return undefined;
    }
    const end = order === 'newest' ? first : last;
    if (plan.ids) {
      const ids = JSON.stringify(plan.ids);
      return { end, rows: statements.byId.iterate(low, high, workspace, ids) };
    }
    if (plan.match === undefined) {
      return { end, rows: statements.all.iterate(low, high) };
    }
    if (!plan.meets) {
      return { end, rows: statements.byTokens.iterate(plan.match, low, high) };
    }
    // FTS5 does not come back between two matches, and would run through all of two frequent terms
    // that never meet. The token of a window ends that where the window ends.
    const position = positionOf(nearest);
    const begin = position - (position % windowPositions);
    return {
      end:
        order === 'newest' ? Math.max(first, begin) : Math.min(last, begin + windowPositions - 1),
      rows: statements.byTokens.iterate(
        `${plan.match} AND ${windowToken(workspace, position)}`,
        low,
        high,
      ),
    };
  }
}

function prepare<Row>(
  db: Database,
  column: string,
  nearest: string,
  direction: string,
): Statements<Row> {
  return {
    nearest: db
      .prepare<[number, number], number | null>(
        `SELECT ${nearest}(key) FROM events WHERE key >= ? AND key <= ?`,
      )
      .pluck(),
    all: db.prepare(
      `SELECT key, ${column} FROM events WHERE key >= ? AND key <= ? ORDER BY key ${direction}`,
    ),
    byId: db.prepare(
      `SELECT key, ${column} FROM events
       WHERE key >= ? AND key <= ? AND workspace = ? AND id IN (SELECT value FROM json_each(?))
       ORDER BY key ${direction}`,
    ),
    // Numbers are bound as REAL, of which FTS5 takes no bound: it would begin at the newest of all.
    byTokens: db.prepare(
      `SELECT key, ${column} FROM tokens CROSS JOIN events ON key = tokens.rowid
       WHERE tokens MATCH ?
         AND tokens.rowid >= CAST(? AS INTEGER) AND tokens.rowid <= CAST(? AS INTEGER)
       ORDER BY tokens.rowid ${direction}`,
    ),
  };
}
