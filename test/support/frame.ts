import { randomBytes } from 'node:crypto';
import { open, request, responses, type RawResponse } from './raw.js';

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;

/** What a client may get wrong about a frame. */
export interface Flaws {
  readonly fin?: boolean;
  /** The three reserved bits, as a number. */
  readonly reserved?: number;
  readonly masked?: boolean;
  /** The length that the header claims. */
  readonly length?: number;
}

/** A frame of a client as it goes over the wire (RFC 6455, 5.2), right or wrong. */
export function frame(opcode: number, payload: string | Buffer, flaws: Flaws = {}): Buffer {
  const bytes = Buffer.from(payload);
  const { fin = true, reserved = 0, masked = true, length = bytes.length } = flaws;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  const key = masked ? randomBytes(4) : Buffer.alloc(0);
  const head =
    length < 126
      ? Buffer.from([first, mask | length])
      : Buffer.concat([Buffer.from([first, mask | 127]), uint64(length)]);
  const body = masked ? bytes.map((byte, i) => byte ^ key[i % 4]!) : bytes;
  return Buffer.concat([head, key, body]);
}

export function text(message: unknown): Buffer {
  return frame(TEXT, JSON.stringify(message));
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** An opening handshake; a header that is `undefined` is left out. */
export function handshake(
  target: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): Buffer {
  const all = new Map<string, string | undefined>(
    Object.entries({
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': 'workspace-events.v1',
      ...headers,
    }),
  );
  const given = [...all].flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return request('GET', target, Object.fromEntries(given) as Record<string, string>);
}

/** What a server says first: a message, the code it closes with, or that it refuses. */
export type Said =
  | { readonly message: Record<string, unknown> }
  | { readonly closed: number }
  | { readonly refused: RawResponse };

/** Opens a WebSocket, sends bytes as they are, and gives the first that is said. */
export async function firstSaid(
  url: string,
  opening: Buffer,
  bytes: Buffer,
  wanted?: string,
): Promise<Said> {
  const socket = open(url);
  let received = Buffer.alloc(0);
  const said = new Promise<Said>((resolve) => {
    socket.on('data', (part) => {
      received = Buffer.concat([received, part]);
      const found = read(received, wanted);
      if (found) {
        resolve(found);
      }
    });
    socket.once('end', () => {
      const [refused] = responses(received);
      resolve(refused ? { refused } : { closed: 1006 });
    });
  });
  socket.write(Buffer.concat([opening, bytes]));
  try {
    return await said;
  } finally {
    socket.destroy();
  }
}

/** The first close frame behind a handshake, or message: any, or with the operation wanted. */
function read(received: Buffer, wanted: string | undefined): Said | undefined {
  const head = received.indexOf('\r\n\r\n');
  if (head === -1 || !received.subarray(0, head).includes('HTTP/1.1 101')) {
    return undefined;
  }
  for (const { opcode, payload } of framesIn(received.subarray(head + 4))) {
    if (opcode === CLOSE) {
      return { closed: payload.length >= 2 ? payload.readUInt16BE(0) : 1005 };
    }
    if (opcode === TEXT) {
      const message = JSON.parse(payload.toString()) as Record<string, unknown>;
      if (wanted === undefined || message.op === wanted) {
        return { message };
      }
    }
  }
  return undefined;
}

/** Those that have come whole; the frames of a server are not masked. */
function* framesIn(received: Buffer): Generator<{ opcode: number; payload: Buffer }> {
  for (let at = 0; at + 2 <= received.length;) {
    const short = received[at + 1]! & 0x7f;
    const size = short < 126 ? 2 : 4;
    const length = short < 126 ? short : received.readUInt16BE(at + 2);
    const payload = received.subarray(at + size, at + size + length);
    if (payload.length < length) {
      return;
    }
    yield { opcode: received[at]! & 0x0f, payload };
    at += size + length;
  }
}
