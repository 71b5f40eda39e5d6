import type { JsonObject, Recorded } from '../event.js';
import { formatCursor } from './cursor.js';
import { chosen } from './fields.js';
import type { RowFormat } from './rows.js';

/** `{"position":…,"fields":…}`: what was chosen of one event. */
export function jsonChosen(epoch: string, record: Recorded, fields: JsonObject): string {
  return JSON.stringify({ position: formatCursor(epoch, record.position), fields });
}

/** One of these a line. */
export function chosenLines(
  { fields }: RowFormat,
  epoch: string,
  records: readonly Recorded[],
): string {
  const choose = chosen(fields);
  return records.map((record) => `${jsonChosen(epoch, record, choose(record))}\n`).join('');
}
