import { IS_CONTROL, Reader, readRecordsBatches, type KafkaRecord } from '@platformatic/kafka';
import { eventOf, Recorded, type Position, type Sealed } from '../event.js';
import { metrics } from '../metrics.js';
import type { NewRecord } from './log.kafka.batch.js';

/** Confluent wire format: byte 0, then the id of the schema in four bytes. */
const HEADER_BYTES = 5;
const HEADER_MAGIC = 0;

/** What no registry gives to a schema. */
const NO_SCHEMA_ID = 0;

/**
 * A broker refuses a record that is over an hour ahead (`message.timestamp.after.max.ms`), but a
 * node accepts no event before another: after a clock that was far ahead, all that come would be
 * refused. So Kafka is told less of such ones, and `seek` may pass them by. The other half of the
 * hour is for a broker whose clock is behind.
 */
const AHEAD_MS_MAX = 1_800_000;

const SOURCE = '/v2/workspaces/';
const SOURCE_BYTES = Buffer.from(SOURCE);
const SOURCE_HEADER = 'ce_source';
const SOURCE_HEADER_BYTES = Buffer.from(SOURCE_HEADER);
const CONTENT_TYPE = 'application/json; charset=UTF-8';

/** Makes records of what is appended to a workspace, to be read by any Kafka client. */
export function toRecords(
  workspace: string,
  appended: readonly Sealed[],
  schemaId: number | undefined,
): NewRecord[] {
  const key = Buffer.from(workspace);
  const latest = Date.now() + AHEAD_MS_MAX;
  return appended.map(({ event, bytes }) => ({
    key,
    value: framed(bytes, schemaId),
    timestamp: Math.min(Date.parse(event.createdAt), latest),
    // CloudEvents, Kafka binding 1.0, binary mode.
    headers: [
      ['ce_specversion', '1.0'],
      ['ce_id', event.id],
      [SOURCE_HEADER, `${SOURCE}${workspace}`],
      ['ce_type', event.type],
      ['ce_time', event.time],
      ['content-type', CONTENT_TYPE],
    ],
  }));
}

function framed(bytes: Uint8Array, schemaId: number | undefined): Uint8Array {
  // Readers take a leading byte 0 for a header, so what begins with one gets a header as well.
  if (schemaId === undefined && bytes[0] !== HEADER_MAGIC) {
    return bytes;
  }
  const framed = Buffer.allocUnsafe(HEADER_BYTES + bytes.byteLength);
  framed.writeUInt8(HEADER_MAGIC, 0);
  framed.writeInt32BE(schemaId ?? NO_SCHEMA_ID, 1);
  framed.set(bytes, HEADER_BYTES);
  return framed;
}

/** How a broker has a batch. */
export interface Written {
  /** The position after its last one. */
  readonly next: number;
  /** Which of the leaders has written it: a higher number comes with each change. */
  readonly leaderEpoch: number;
  /** Of all that is in it. */
  readonly crc: number;
}

/** What is in record batches as a broker gives them. */
export interface Decoded {
  readonly records: Recorded[];
  readonly batches: readonly Written[];
  /** The position after the last one of the batches, records or not. */
  readonly next: number;
}

/**
 * Reads record batches: also compressed ones, and what other producers wrote, if it is an event.
 *
 * @param from Batches are given whole: what is before it is left out.
 * @throws Error for a compression that this version of Node does not know.
 */
export function decode(batches: Buffer, from: number): Decoded {
  const records: Recorded[] = [];
  const written: Written[] = [];
  let next = from;
  for (const batch of readRecordsBatches(Reader.from(batches))) {
    const first = Number(batch.firstOffset);
    next = first + batch.lastOffsetDelta + 1;
    written.push({ next, leaderEpoch: batch.partitionLeaderEpoch, crc: batch.crc });
    // The marker of a transaction takes an offset, but is nobody's record.
    if ((batch.attributes & IS_CONTROL) !== 0) {
      continue;
    }
    for (const { offsetDelta, value, headers } of batch.records) {
      const record = new Recorded((first + offsetDelta) as Position, unframed(value));
      if (record.position < from) {
        continue;
      }
      if (isOwn(headers) || eventOf(record)) {
        records.push(record);
      } else {
        // It would end up in the frames of subscribers, which it could break.
        metrics.unreadable.inc();
      }
    }
  }
  return { records, batches: written, next };
}

/**
 * Whether the service has written a record: only then is it known to be an event unread. On bytes,
 * as this is asked of every record that is read.
 */
function isOwn(headers: KafkaRecord['headers']): boolean {
  const [name, value] = headers[2] ?? [];
  return (
    name?.equals(SOURCE_HEADER_BYTES) === true &&
    value?.subarray(0, SOURCE_BYTES.length).equals(SOURCE_BYTES) === true
  );
}

function unframed(value: Buffer | null): Uint8Array {
  const bytes = value ?? Buffer.alloc(0);
  return bytes.length >= HEADER_BYTES && bytes[0] === HEADER_MAGIC
    ? bytes.subarray(HEADER_BYTES)
    : bytes;
}
