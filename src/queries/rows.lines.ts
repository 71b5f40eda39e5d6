import type { JsonObject, Recorded } from '../event.js';
import { formatCursor } from './cursor.js';
import { chosen } from './fields.js';
import type { RowFormat } from './rows.js';

/** What was chosen of one event, as it is told. */
export function chosenRow(epoch: string, record: Recorded, fields: JsonObject): JsonObject {
  return { position: formatCursor(epoch, record.position), fields };
}

/** One of these a line. */
export function chosenLines(
  { fields }: RowFormat,
  epoch: string,
  records: readonly Recorded[],
): string {
  const choose = chosen(fields);
  return records
    .map((record) => `${JSON.stringify(chosenRow(epoch, record, choose(record)))}\n`)
    .join('');
}
