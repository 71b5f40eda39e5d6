import { ServiceError } from '../errors.js';
import { csvHead, POSITION } from '../queries/rows.csv.js';
import type { RowWriter } from '../queries/rows.js';
import type { ExportFormat } from './export.js';
import { CSV_TYPE } from './parameters.js';

/** What most tables want of an event, where the client does not choose. */
const COLUMNS = ['id', 'type', 'time', 'createdAt', 'source.userId', 'payload'] as const;

export interface CsvOptions {
  readonly fields?: readonly string[];
  readonly header: boolean;
  readonly escapeFormulas: boolean;
}

/**
 * CSV, whose first column is the position.
 *
 * @throws ServiceError `invalid-request` for a field that would be a second column of that name.
 */
export function csvFormat(
  writer: RowWriter,
  { fields = COLUMNS, header, escapeFormulas }: CsvOptions,
): ExportFormat {
  const clash = fields.indexOf(POSITION);
  if (clash >= 0) {
    const path = `fields[${String(clash)}]`;
    const message = 'is the first column of CSV already';
    throw new ServiceError('invalid-request', `${path} ${message}.`, {
      errors: [{ path, message }],
    });
  }
  const format = { kind: 'csv', fields, escapeFormulas } as const;
  return {
    contentType: `${CSV_TYPE}; charset=utf-8; header=${header ? 'present' : 'absent'}`,
    head: header ? csvHead(fields) : '',
    rows: (epoch, records) => writer.rows(format, epoch, records),
  };
}
