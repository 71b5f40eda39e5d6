import type { Recorded } from '../event.js';
import { formatCursor } from '../queries/cursor.js';
import type { Framing } from '../queries/fanout.js';
import type { Positioned } from '../queries/search.js';

/** RFC 6455, 5.2: FIN and the opcode of a text frame. */
const TEXT_FRAME = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * Event frames of one subscription for a WebSocket, as they go over the wire: the messages of a
 * batch in one buffer, for one write. Server frames are not masked, so all sockets get the same.
 */
export function wsFraming(epoch: string, subscription: string): Framing {
  const head = `{"op":"event","subscription":"${subscription}","position":"`;
  return {
    key: `ws ${subscription}`,
    frame: (records) => {
      const heads = records.map(
        ({ position }) => `${head}${formatCursor(epoch, position)}","event":`,
      );
      const lengths = records.map(({ bytes }, i) => (heads[i]?.length ?? 0) + bytes.length + 1);
      const total = lengths.reduce((sum, length) => sum + headerLength(length) + length, 0);
      const frame = Buffer.allocUnsafe(total);
      let at = 0;
      for (const [i, { bytes }] of records.entries()) {
        at = writeHeader(frame, at, lengths[i] ?? 0);
        at += frame.write(heads[i] ?? '', at, 'latin1');
        frame.set(bytes, at);
        at += bytes.length;
        frame[at++] = 0x7d;
      }
      return frame;
    },
  };
}

/** One message as it goes over a WebSocket. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerLength(length) + length);
  frame.write(text, writeHeader(frame, 0, length));
  return frame;
}

/**
 * Server-Sent Events: the cursor is the event’s id, which a browser sends back when it reconnects.
 */
export function sseFraming(epoch: string): Framing {
  return {
    key: 'sse',
    frame: (records) =>
      concat(records, (record) => {
        const cursor = formatCursor(epoch, record.position);
        return [`id: ${cursor}\ndata: {"position":"${cursor}","event":`, '}\n\n'];
      }),
  };
}

/** One `{position, event}` a line. */
export function jsonLines(epoch: string, records: readonly Recorded[]): Buffer {
  return concat(records, (record) => [positionedHead(epoch, record), '}\n']);
}

/** A JSON object with the events in the field `events` and what else there is to say. */
export function jsonPage(events: readonly Positioned[], rest: Record<string, unknown>): Buffer {
  const more = JSON.stringify(rest).slice(1);
  const records = events.map(({ record }) => record);
  const page = concat(records, (record, index) => [
    (index === 0 ? '' : ',') + positionedHead(events[index]!.epoch, record),
    '}',
  ]);
  return Buffer.concat([PAGE_HEAD, page, Buffer.from(more === '}' ? ']}' : `],${more}`)]);
}

const PAGE_HEAD = Buffer.from('{"events":[');

/** `{"position":…,"event":…}` of one event. */
export function jsonPositioned(epoch: string, record: Recorded): Buffer {
  return concat([record], () => [positionedHead(epoch, record), '}']);
}

function positionedHead(epoch: string, { position }: Recorded): string {
  return `{"position":"${formatCursor(epoch, position)}","event":`;
}

/** Each record’s bytes between an ASCII head and tail. */
function concat(
  records: readonly Recorded[],
  around: (record: Recorded, index: number) => readonly [head: string, tail: string],
): Buffer {
  const arounds = records.map(around);
  const total = records.reduce((sum, { bytes }, index) => {
    const [head, tail] = arounds[index]!;
    return sum + head.length + bytes.length + tail.length;
  }, 0);
  const all = Buffer.allocUnsafe(total);
  let at = 0;
  for (const [index, { bytes }] of records.entries()) {
    const [head, tail] = arounds[index]!;
    at += all.write(head, at, 'latin1');
    all.set(bytes, at);
    at += bytes.length;
    at += all.write(tail, at, 'latin1');
  }
  return all;
}

function headerLength(length: number): number {
  if (length < LENGTH_16) {
    return 2;
  }
  return length < 65_536 ? 4 : 10;
}

function writeHeader(frame: Buffer, at: number, length: number): number {
  frame[at] = TEXT_FRAME;
  if (length < LENGTH_16) {
    frame[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    frame[at + 1] = LENGTH_16;
    return frame.writeUInt16BE(length, at + 2);
  }
  frame[at + 1] = LENGTH_64;
  return frame.writeBigUInt64BE(BigInt(length), at + 2);
}
