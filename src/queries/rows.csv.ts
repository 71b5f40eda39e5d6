import { stringify, type Options } from 'csv-stringify/sync';
import type { Recorded } from '../event.js';
import { formatCursor } from './cursor.js';
import { chosen } from './fields.js';
import type { RowFormat } from './rows.js';

/** The first column: the cursor of the event. */
export const POSITION = 'position';

const OPTIONS: Options = {
  record_delimiter: 'windows',
  eof: true,
  // An empty text is none of the cells that have nothing.
  quoted_match: /^$/,
  cast: { boolean: String },
};

/** The line that names the columns. */
export function csvHead(fields: readonly string[]): string {
  return stringify([[POSITION, ...fields]], OPTIONS);
}

/**
 * CSV as of RFC 4180, one row an event: its cursor, then what stands at each of the fields. A
 * number, `true` and `false` as in JSON, a list of several values and an object as JSON; an empty
 * text in quotes, and nothing where there is nothing.
 *
 * What an event says may come from anybody, and a spreadsheet runs what begins with `=` or the like
 * when it opens the file (OWASP, CSV injection): an apostrophe in front of it prevents that.
 */
export function csvRows(
  { fields, escapeFormulas }: RowFormat,
  epoch: string,
  records: readonly Recorded[],
): string {
  const choose = chosen(fields);
  const rows = records.map((record) => {
    const found = choose(record);
    return [formatCursor(epoch, record.position), ...fields.map((field) => found[field])];
  });
  return stringify(rows, { ...OPTIONS, escape_formulas: escapeFormulas });
}
