import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * A WebSocket client that does next to nothing per frame, so that what is measured is the server:
 * it finds the borders of the frames and looks into them only where it is asked to.
 */
export class RawSocket {
  readonly socket: Socket;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, onFrame: (payload: Buffer) => void) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk, onFrame);
    });
  }

  /** @param credential A token, where the server asks for one. */
  static async open(
    url: string,
    onFrame: (payload: Buffer) => void,
    credential?: string,
  ): Promise<RawSocket> {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const shown = credential === undefined ? '' : `Authorization: Bearer ${credential}\r\n`;
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\n` +
        `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n${shown}` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    const end = head.indexOf('\r\n\r\n');
    if (!head.toString('latin1').startsWith('HTTP/1.1 101') || end === -1) {
      throw new Error(`no upgrade: ${head.toString().slice(0, 300)}`);
    }
    const raw = new RawSocket(socket, onFrame);
    raw.#read(head.subarray(end + 4), onFrame);
    return raw;
  }

  send(text: string): void {
    this.socket.write(textFrame(text));
  }

  #read(chunk: Buffer, onFrame: (payload: Buffer) => void): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (data.length - at >= 2) {
      let length = (data[at + 1] ?? 0) & 0x7f;
      let begin = at + 2;
      if (length === 126) {
        begin = at + 4;
        length = data.length >= begin ? data.readUInt16BE(at + 2) : Infinity;
      } else if (length === 127) {
        begin = at + 10;
        length = data.length >= begin ? Number(data.readBigUInt64BE(at + 2)) : Infinity;
      }
      if (begin + length > data.length) {
        break;
      }
      onFrame(data.subarray(begin, begin + length));
      at = begin + length;
    }
    this.#rest = data.subarray(at);
  }
}

/** A text frame of a client; the mask is zero, which leaves the payload as it is. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length >= 126;
  const header = Buffer.alloc(long ? 8 : 6);
  header[0] = 0x81;
  header[1] = 0x80 | (long ? 126 : payload.length);
  if (long) {
    header.writeUInt16BE(payload.length, 2);
  }
  return Buffer.concat([header, payload]);
}

const AT = Buffer.from('"at":"');
const DIGITS = 20;

/** The time of a monotonic clock that all processes of a machine share, in nanoseconds. */
export function now(): string {
  return process.hrtime.bigint().toString().padStart(DIGITS, '0');
}

/** How long ago, in milliseconds, what is in a frame was sent; `undefined` if it does not say. */
export function ageMs(payload: Buffer): number | undefined {
  const at = payload.indexOf(AT);
  if (at === -1) {
    return undefined;
  }
  const sent = payload.toString('latin1', at + AT.length, at + AT.length + DIGITS);
  return Number(process.hrtime.bigint() - BigInt(sent)) / 1e6;
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
