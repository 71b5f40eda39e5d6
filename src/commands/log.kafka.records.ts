import { IS_CONTROL, Reader, readRecordsBatches, type MessageRecord } from '@platformatic/kafka';
import { Recorded, type Position, type Sealed } from '../event.js';

/** Confluent wire format: byte 0, then the id of the schema in four bytes. */
const HEADER_BYTES = 5;
const HEADER_MAGIC = 0;

/** What no registry gives to a schema. */
const NO_SCHEMA_ID = 0;

const HEADER_NAMES = {
  specversion: Buffer.from('ce_specversion'),
  id: Buffer.from('ce_id'),
  source: Buffer.from('ce_source'),
  type: Buffer.from('ce_type'),
  time: Buffer.from('ce_time'),
  contentType: Buffer.from('content-type'),
};
const SPECVERSION = Buffer.from('1.0');
const CONTENT_TYPE = Buffer.from('application/json; charset=UTF-8');

/** Makes records of what is appended to a workspace, to be read by any Kafka client. */
export class Encoder {
  readonly #topic: string;
  readonly #key: Buffer;
  readonly #source: Buffer;
  readonly #schemaId: number | undefined;

  constructor(topic: string, workspace: string, schemaId: number | undefined) {
    this.#topic = topic;
    this.#key = Buffer.from(workspace);
    this.#source = Buffer.from(`/v2/workspaces/${workspace}`);
    this.#schemaId = schemaId;
  }

  encode({ event, bytes }: Sealed): MessageRecord {
    return {
      topic: this.#topic,
      partition: 0,
      key: this.#key,
      value: this.#framed(bytes),
      timestamp: BigInt(Date.parse(event.createdAt)),
      // CloudEvents, Kafka binding 1.0, binary mode.
      headers: new Map([
        [HEADER_NAMES.specversion, SPECVERSION],
        [HEADER_NAMES.id, Buffer.from(event.id)],
        [HEADER_NAMES.source, this.#source],
        [HEADER_NAMES.type, Buffer.from(event.type)],
        [HEADER_NAMES.time, Buffer.from(event.time)],
        [HEADER_NAMES.contentType, CONTENT_TYPE],
      ]),
    };
  }

  #framed(bytes: Uint8Array): Buffer {
    // Readers take a leading byte 0 for a header, so what begins with one gets a header as well.
    if (this.#schemaId === undefined && bytes[0] !== HEADER_MAGIC) {
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const framed = Buffer.allocUnsafe(HEADER_BYTES + bytes.byteLength);
    framed.writeUInt8(HEADER_MAGIC, 0);
    framed.writeInt32BE(this.#schemaId ?? NO_SCHEMA_ID, 1);
    framed.set(bytes, HEADER_BYTES);
    return framed;
  }
}

/** What is in record batches as a broker gives them. */
export interface Decoded {
  readonly records: Recorded[];
  /** The position after the last one of the batches, records or not. */
  readonly next: number;
}

/**
 * Reads record batches: also compressed ones and those of other producers.
 *
 * @param from Batches are given whole: what is before it is left out.
 * @throws Error for a compression that this version of Node does not know.
 */
export function decode(batches: Buffer, from: number): Decoded {
  const records: Recorded[] = [];
  let next = from;
  for (const batch of readRecordsBatches(Reader.from(batches))) {
    const first = Number(batch.firstOffset);
    next = first + batch.lastOffsetDelta + 1;
    // The marker of a transaction takes an offset, but is nobody's record.
    if ((batch.attributes & IS_CONTROL) !== 0) {
      continue;
    }
    for (const { offsetDelta, value } of batch.records) {
      if (first + offsetDelta >= from) {
        records.push(new Recorded((first + offsetDelta) as Position, unframed(value)));
      }
    }
  }
  return { records, next };
}

function unframed(value: Buffer | null): Uint8Array {
  const bytes = value ?? Buffer.alloc(0);
  return bytes.length >= HEADER_BYTES && bytes[0] === HEADER_MAGIC
    ? bytes.subarray(HEADER_BYTES)
    : bytes;
}
