import { chosen } from '../queries/fields.js';
import { LINES_TYPE } from './parameters.js';
import type { ExportFormat } from './export.js';
import { jsonChosen, jsonLines } from './framing.js';

/**
 * NDJSON: one `{position, event}` a line, the event as it was recorded, byte for byte; of chosen
 * fields, one `{position, fields}` a line. A line with `recovered: false` in place of an event says
 * that what came before `first` is lost.
 */
export function linesFormat(fields?: readonly string[]): ExportFormat {
  return {
    contentType: `${LINES_TYPE}; charset=utf-8`,
    head: '',
    frame: fields ? chosenLines(fields) : jsonLines,
    loss: (reason, first) => `${JSON.stringify({ recovered: false, reason, first })}\n`,
  };
}

function chosenLines(fields: readonly string[]): ExportFormat['frame'] {
  const choose = chosen(fields);
  return (epoch, records) =>
    records.map((record) => `${jsonChosen(epoch, record, choose(record))}\n`).join('');
}
