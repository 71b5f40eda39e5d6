import { on, once, setMaxListeners } from 'node:events';
import { WebSocket } from 'ws';
import { eventsUrl, request, sse, type Frame } from './client.js';
import type { Seen } from './sequence.js';

export type Transport = 'ws' | 'sse' | 'poll';
export type From = 'now' | 'start' | { position: string } | { time: string } | { last: number };

export interface Wish {
  readonly transport: Transport;
  readonly workspace: string;
  /** Conditions that mean the same in a query string and as JSON. */
  readonly filter: Record<string, string>;
  readonly from: From;
}

/** What a connection says, whatever its transport. */
interface Message {
  readonly cursor?: string | undefined;
  readonly event?: { readonly id: string };
  /** False when events were lost. */
  readonly recovered?: boolean;
}

type Open = (
  url: string,
  wish: Wish,
  cursor: string | undefined,
  signal: AbortSignal,
) => AsyncIterable<Message>;

const POLL = { wait: '5', limit: '200' };

/**
 * A subscriber that is cut off and comes back, with the last cursor it was given. Of a connection
 * that was cut off it takes nothing more, as if its machine had lost power.
 */
export class Tailer {
  readonly wish: Wish;
  readonly received: Seen[] = [];
  /** Where it was told that it begins, at its first connection; a long poll is not told. */
  began: number | undefined;
  /** Whether the service has answered it yet. */
  answered = false;
  /** How often it has come, or come back. */
  connections = 0;
  /** What no subscriber may see: a refusal, or that its position is lost. */
  readonly complaints: string[] = [];
  readonly #url: () => string;
  #cursor: string | undefined;
  #connection: AbortController | undefined;

  constructor(url: () => string, wish: Wish) {
    this.#url = url;
    this.wish = wish;
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  /** How far it has come. */
  get position(): number {
    return this.received.at(-1)?.position ?? -1;
  }

  /** Comes, or comes back. */
  connect(): void {
    const connection = new AbortController();
    this.#connection = connection;
    this.connections++;
    void this.#take(connection.signal).finally(() => {
      connection.abort();
      if (this.#connection === connection) {
        this.#connection = undefined;
      }
    });
  }

  /** Destroys the socket. */
  drop(): void {
    this.#connection?.abort();
    this.#connection = undefined;
  }

  async #take(signal: AbortSignal): Promise<void> {
    const messages = OPEN[this.wish.transport](this.#url(), this.wish, this.#cursor, signal);
    try {
      for await (const message of messages) {
        if (signal.aborted) {
          return;
        }
        this.#receive(message);
      }
    } catch (error) {
      if (!signal.aborted && !isCut(error)) {
        this.complaints.push(String(error));
      }
    }
  }

  #receive({ cursor, event, recovered = true }: Message): void {
    if (!recovered) {
      this.complaints.push(`lost its position after ${String(this.#cursor)}`);
    }
    if (!this.answered) {
      this.answered = true;
      if (!event && cursor !== undefined && this.wish.transport !== 'poll') {
        this.began = positionOf(cursor);
      }
    }
    if (event) {
      this.received.push({ position: positionOf(cursor), id: event.id });
    }
    this.#cursor = cursor ?? this.#cursor;
  }
}

const OPEN: Readonly<Record<Transport, Open>> = { ws: openSocket, sse: openStream, poll };

async function* openSocket(
  url: string,
  { workspace, filter, from }: Wish,
  cursor: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const address = eventsUrl(url, workspace).replace('http', 'ws');
  const ws = new WebSocket(address, 'workspace-events.v1');
  signal.addEventListener('abort', () => {
    ws.terminate();
  });
  // One that is ended before it is open reports that, when nobody waits for it any more.
  ws.on('error', () => undefined);
  await once(ws, 'open', { signal });
  const start = cursor === undefined ? from : { position: cursor };
  ws.send(JSON.stringify({ op: 'subscribe', filter, from: start }));
  for await (const [data] of on(ws, 'message', { signal, close: ['close'] })) {
    const frame = JSON.parse((data as Buffer).toString()) as Frame;
    if (frame.op === 'error' || frame.op === 'ended') {
      throw new Error(`refused: ${JSON.stringify(frame)}`);
    }
    yield frame.op === 'event'
      ? { cursor: frame.position, event: frame.event }
      : { cursor: frame.cursor, recovered: frame.recovered };
  }
}

async function* openStream(
  url: string,
  { workspace, filter, from }: Wish,
  cursor: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const query = { ...filter, ...(cursor === undefined && startOf(from)) };
  const headers = cursor === undefined ? {} : { 'Last-Event-ID': cursor };
  for await (const { event, id, data } of sse(eventsUrl(url, workspace, query), {
    signal,
    headers,
  })) {
    if (event === 'error') {
      throw new Error(`refused: ${JSON.stringify(data)}`);
    }
    yield event === 'message'
      ? { cursor: id, event: data.event }
      : { cursor: data.cursor, recovered: data.recovered };
  }
}

async function* poll(
  url: string,
  { workspace, filter, from }: Wish,
  cursor: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  // Each request listens to it until it is collected as garbage.
  setMaxListeners(0, signal);
  let start: Record<string, string> = cursor === undefined ? startOf(from) : { after: cursor };
  for (;;) {
    const address = eventsUrl(url, workspace, { ...filter, ...POLL, ...start });
    const { status, body } = await request(address, { signal });
    if (status !== 200) {
      throw new Error(`refused: ${JSON.stringify(body)}`);
    }
    for (const { position, event } of body.events) {
      yield { cursor: position, event };
    }
    yield { cursor: body.cursor, recovered: body.recovered };
    start = { after: body.cursor };
  }
}

function startOf(from: From): Record<string, string> {
  if (typeof from === 'string') {
    return { from };
  }
  if ('position' in from) {
    return { after: from.position };
  }
  return { from: 'time' in from ? from.time : `last:${String(from.last)}` };
}

/** The position in a cursor: opaque to clients, but a test may look. */
export function positionOf(cursor: string | undefined): number {
  const text = cursor?.split('-')[1];
  return text === 'start' ? -1 : Number(text);
}

/** Whether to come back: the other side was killed, or is not there, or cannot for now. */
function isCut(error: unknown): boolean {
  const { code = '', message } = error as Error & { code?: string };
  return (
    code.startsWith('ECONN') ||
    /^(fetch failed|terminated)$/.test(message) ||
    message.includes('"code":"unavailable"')
  );
}
