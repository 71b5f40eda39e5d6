import { connect, type Socket } from 'node:net';

/** An answer of the service, read from the bytes that came. */
export interface RawResponse {
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A request as it goes over the wire, right or wrong; the server closes after it. */
export function request(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Buffer = '',
): Buffer {
  const bytes = Buffer.from(body);
  const framed = 'Content-Length' in headers || 'Transfer-Encoding' in headers;
  const all = {
    Host: 'localhost',
    Connection: 'close',
    ...(!framed && bytes.length > 0 && { 'Content-Length': String(bytes.length) }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

export function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  // What a test destroys under way ends with an error that is no news.
  return connect(Number(port), hostname).on('error', () => undefined);
}

/**
 * Sends bytes as they are and gives the answers that came until the server closed the connection.
 *
 * @param breaksOff Whether the client closes its side right after the last byte.
 */
export async function exchange(
  url: string,
  bytes: Buffer,
  breaksOff = false,
): Promise<readonly RawResponse[]> {
  const socket = open(url);
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(bytes);
  if (breaksOff) {
    socket.end();
  }
  await closed;
  return responses(Buffer.concat(parts));
}

const END_OF_HEAD = '\r\n\r\n';

/** @throws Error where the bytes are no sequence of HTTP responses. */
export function responses(bytes: Buffer): RawResponse[] {
  const found: RawResponse[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(END_OF_HEAD, at);
    const [first = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
    if (end === -1 || Number.isNaN(status)) {
      throw new Error(`no response: ${bytes.toString('latin1', at, at + 200)}`);
    }
    const headers = new Map(
      lines.map((line) => {
        const [name = '', value = ''] = line.split(/: (.*)/s);
        return [name.toLowerCase(), value];
      }),
    );
    at = end + END_OF_HEAD.length;
    const { body, next } = bodyAt(bytes, at, headers);
    at = next;
    if (status >= 200) {
      found.push({ status, headers, body });
    }
  }
  return found;
}

function bodyAt(
  bytes: Buffer,
  from: number,
  headers: ReadonlyMap<string, string>,
): { body: string; next: number } {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const next = from + Number(headers.get('content-length') ?? 0);
    return { body: bytes.toString('utf8', from, next), next };
  }
  const chunks: Buffer[] = [];
  for (let at = from; ;) {
    const line = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    at = line + 2 + size + 2;
    if (size === 0 || Number.isNaN(size)) {
      return { body: Buffer.concat(chunks).toString(), next: at };
    }
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
  }
}
