import { stringify, type Options } from 'csv-stringify/sync';
import type { Recorded } from '../event.js';
import { ServiceError } from '../errors.js';
import { formatCursor } from '../queries/cursor.js';
import { chosen } from '../queries/fields.js';
import type { ExportFormat } from './export.js';
import { CSV_TYPE } from './parameters.js';

/** The cursor of the event, by which an export that was cut off goes on. */
const POSITION = 'position';

/** What most tables want of an event, where the client does not choose. */
const COLUMNS = ['id', 'type', 'time', 'createdAt', 'source.userId', 'payload'] as const;

export interface CsvOptions {
  readonly fields?: readonly string[];
  readonly header: boolean;
  readonly escapeFormulas: boolean;
}

/**
 * CSV as of RFC 4180: one row an event, its cursor first, then what stands at each of the fields. A
 * number, `true` and `false` as in JSON, a list of several values and an object as JSON; an empty
 * text in quotes, and nothing where there is nothing.
 *
 * @throws ServiceError `invalid-request` for a field that would be a second column `position`.
 */
export function csvFormat({ fields = COLUMNS, header, escapeFormulas }: CsvOptions): ExportFormat {
  const clash = fields.indexOf(POSITION);
  if (clash >= 0) {
    const path = `fields[${String(clash)}]`;
    const message = 'is the first column of CSV already';
    throw new ServiceError('invalid-request', `${path} ${message}.`, {
      errors: [{ path, message }],
    });
  }
  const options: Options = {
    record_delimiter: 'windows',
    eof: true,
    // What an event says may come from anybody, and a spreadsheet runs what begins with = or the
    // like when the file is opened (OWASP, CSV injection). An apostrophe before it prevents that.
    escape_formulas: escapeFormulas,
    // Nothing is no text.
    quoted_match: /^$/,
    cast: { boolean: String },
  };
  const choose = chosen(fields);
  const rowOf = (epoch: string, record: Recorded): unknown[] => {
    const found = choose(record);
    return [formatCursor(epoch, record.position), ...fields.map((field) => found[field])];
  };
  return {
    contentType: `${CSV_TYPE}; charset=utf-8; header=${header ? 'present' : 'absent'}`,
    head: header ? stringify([[POSITION, ...fields]], options) : '',
    frame: (epoch, records) =>
      stringify(
        records.map((record) => rowOf(epoch, record)),
        options,
      ),
  };
}
