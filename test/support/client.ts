import { once } from 'node:events';
import { WebSocket } from 'ws';
import { until } from '../until.js';
import { assertDescribed, assertFrameDescribed } from './described.js';

/** A JSON answer of the service. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // Any: tests look into answers of every shape, and assert on what they find.
  readonly body: any;
}

/** The address of a workspace’s events, with query parameters. */
export function eventsUrl(
  url: string,
  workspace: string,
  query: Record<string, string> = {},
): string {
  const search = new URLSearchParams(query).toString();
  const address = `${url}/v2/workspaces/${workspace}/events`;
  return search === '' ? address : `${address}?${search}`;
}

/** Any answer that the description of the API does not have fails the test that gets it. */
export async function request(
  url: string,
  init: Omit<RequestInit, 'headers'> & { json?: unknown; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const { json, headers, ...rest } = init;
  const response = await fetch(url, {
    ...rest,
    ...(headers && { headers }),
    ...(json !== undefined && {
      method: rest.method ?? 'POST',
      body: JSON.stringify(json),
      headers: { 'Content-Type': 'application/json', ...headers },
    }),
  });
  const text = await response.text();
  const type = response.headers.get('Content-Type')?.split(';')[0] ?? '';
  const body: unknown = /[/+]json$/.test(type) && text !== '' ? JSON.parse(text) : text;
  const { status } = response;
  const method = rest.method ?? (json === undefined ? 'GET' : 'POST');
  assertDescribed({ method, path: new URL(url).pathname }, { status, type, body });
  return { status, headers: response.headers, body };
}

/** Emits a batch and gives the answer; `emit(url, 'w', [{type, payload}])`. */
export function emit(
  url: string,
  workspace: string,
  events: readonly unknown[],
  headers: Record<string, string> = {},
): Promise<Reply> {
  return request(eventsUrl(url, workspace), { json: { events }, headers });
}

/** A server frame. */
export interface Frame {
  readonly op: string;
  // As above: frames are of every shape.
  readonly [field: string]: any;
}

/** A WebSocket that keeps what it receives. */
export class Socket {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  /** The close code, once it is closed. */
  closed: number | undefined;
  #nextId = 1;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      assertFrameDescribed(frame);
      this.frames.push(frame);
    });
    ws.on('close', (code) => {
      this.closed = code;
    });
  }

  static async open(
    url: string,
    workspace: string,
    headers: Record<string, string> = {},
  ): Promise<Socket> {
    const address = eventsUrl(url, workspace).replace('http', 'ws');
    const ws = new WebSocket(address, 'workspace-events.v1', { headers });
    const socket = new Socket(ws);
    await once(ws, 'open');
    return socket;
  }

  send(frame: unknown): void {
    this.ws.send(JSON.stringify(frame));
  }

  /** Sends a request and gives its answer. */
  async ask(frame: Record<string, unknown>): Promise<Frame> {
    const id = this.#nextId++;
    this.send({ ...frame, id });
    return this.until(`an answer to ${JSON.stringify(frame).slice(0, 200)}`, (f) => f.id === id);
  }

  /** The first frame, received or to come, for which a condition holds. */
  until(what: string, holds: (frame: Frame) => boolean): Promise<Frame> {
    return until(what, () => this.frames.find(holds));
  }

  /** The events that one subscription has received. */
  events(subscription: string): Frame[] {
    return this.frames.filter((f) => f.op === 'event' && f.subscription === subscription);
  }

  async close(): Promise<void> {
    if (this.ws.readyState !== WebSocket.CLOSED) {
      this.ws.terminate();
      await once(this.ws, 'close');
    }
  }
}

/** One message of a stream of Server-Sent Events. */
export interface SseMessage {
  readonly event: string;
  readonly id: string | undefined;
  // As above.
  readonly data: any;
}

/** Server-Sent Events, as they come; ends when the stream does. */
export async function* sse(
  url: string,
  { signal, headers = {} }: { signal?: AbortSignal; headers?: Record<string, string> } = {},
): AsyncIterable<SseMessage> {
  const response = await fetch(url, {
    headers: { Accept: 'text/event-stream', ...headers },
    ...(signal && { signal }),
  });
  if (!response.ok || !response.body) {
    throw new Error(`${String(response.status)} ${await response.text()}`);
  }
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const messages = text.split('\n\n');
    text = messages.pop() ?? '';
    for (const message of messages) {
      const fields = new Map(
        message.split('\n').map((line) => {
          const at = line.indexOf(': ');
          return [line.slice(0, at), line.slice(at + 2)] as const;
        }),
      );
      const data = fields.get('data');
      if (data !== undefined) {
        const event = fields.get('event') ?? 'message';
        yield { event, id: fields.get('id'), data: JSON.parse(data) as unknown };
      }
    }
  }
}
