/** The thread that spells rows. */
import { Recorded, type Position } from '../event.js';
import { unpack } from '../slab.js';
import { moving, serve } from '../thread.js';
import { csvRows } from './rows.csv.js';
import { chosenLines } from './rows.lines.js';
import type { RowFormat } from './rows.js';

function rows(
  format: RowFormat,
  epoch: string,
  positions: Float64Array,
  ends: Uint32Array,
  slab: Uint8Array,
): Uint8Array {
  const records = unpack(ends, slab).map(
    (bytes, index) => new Recorded(positions[index]! as Position, bytes),
  );
  const spell = format.kind === 'csv' ? csvRows : chosenLines;
  const text = new TextEncoder().encode(spell(format, epoch, records));
  return moving(text, [text.buffer]);
}

const api = { rows };
export type RowThread = typeof api;

serve(api);
