import type { RowWriter } from '../queries/rows.js';
import type { ExportFormat } from './export.js';
import { jsonLines } from './framing.js';
import { LINES_TYPE } from './parameters.js';

/**
 * NDJSON: one `{position, event}` a line, the event as it was recorded, byte for byte; of chosen
 * fields, one `{position, fields}` a line. A line with `recovered: false` in place of an event says
 * that what came before `first` is lost.
 */
export function linesFormat(writer: RowWriter, fields?: readonly string[]): ExportFormat {
  return {
    contentType: `${LINES_TYPE}; charset=utf-8`,
    head: '',
    rows: fields
      ? (epoch, records) =>
          writer.rows({ kind: 'lines', fields, escapeFormulas: false }, epoch, records)
      : jsonLines,
    loss: (reason, first) => `${JSON.stringify({ recovered: false, reason, first })}\n`,
  };
}
