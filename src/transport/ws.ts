import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import type { Context } from '../commands/context.js';
import type { Key } from '../commands/keyring.js';
import { parseJson } from '../commands/json.js';
import { CATALOGUE, MissingCredential, ServiceError } from '../errors.js';
import type { Position } from '../event.js';
import { metrics } from '../metrics.js';
import { formatCursor } from '../queries/cursor.js';
import { EVERYTHING, parseFilter } from '../queries/filter.js';
import type { Opening } from '../queries/subscribe.js';
import type { Subscription } from '../queries/subscription.js';
import type { Service } from '../service.js';
import type { Authenticator } from './authenticate.js';
import { assertBatch } from './emit.js';
import {
  checked,
  requestId,
  type AuthenticateFrame,
  type ClientFrame,
  type EmitFrame,
  type RequestId,
  type SubscribeFrame,
  type UnsubscribeFrame,
} from './frames.js';
import { FrameSocket, subscriberOn } from './framesocket.js';
import { itemError, itemResult } from './respond.js';
import { Session, type SessionEvents } from './session.js';

/**
 * What an event is answered with at most, as a rule: small events that are refused are outweighed.
 */
const RESULT_BYTES = 128;
/** RFC 6455, 5.5: a control frame has 125 bytes, two of them for the code. */
const CLOSE_REASON_BYTES_MAX = 123;

/**
 * One WebSocket to one workspace: emits in the order of its frames, and any number of
 * subscriptions.
 */
export class Connection {
  readonly #service: Service;
  readonly #session: Session;
  readonly #ws: WebSocket;
  readonly #out: FrameSocket;
  readonly #subscriptions = new Map<string, Subscription | undefined>();
  readonly #heartbeat: NodeJS.Timeout;
  readonly closed: Promise<void>;
  #nextSubscription = 1;
  /** Bytes of emit frames that are not yet answered, and of their answers. */
  #inflightBytes = 0;
  #awaitsDrain = false;
  /** Set while it is being found out who is calling; frames wait for it. */
  #authenticating: Promise<unknown> | undefined;
  #alive = true;

  constructor(
    service: Service,
    callers: Authenticator,
    of: { workspace: string; context: Context },
    ws: WebSocket,
    socket: Duplex,
  ) {
    this.#service = service;
    this.#session = new Session(service, callers, of, this.#sessionEvents());
    this.#ws = ws;
    this.#out = new FrameSocket(ws, socket, service.config.subscriberBufferBytesMax);
    metrics.connections.inc();
    ws.on('message', (data, isBinary) => {
      this.#receive(data, isBinary);
    });
    ws.on('pong', () => {
      this.#alive = true;
    });
    ws.on('error', () => {
      // A broken frame or connection; `ws` closes with the right code, and `close` follows.
    });
    this.closed = new Promise((resolve) => {
      ws.on('close', () => {
        this.#closed();
        resolve();
      });
    });
    this.#heartbeat = setInterval(() => {
      this.#beat();
    }, service.config.heartbeatSeconds * 1000);
  }

  /** Asks the client to come back, to another node perhaps. */
  drain(): void {
    this.#ws.close(CATALOGUE.unavailable.closeCode, 'draining, reconnect');
  }

  terminate(): void {
    this.#ws.terminate();
  }

  /** The workspace has another configuration. */
  recheck(workspace: string): void {
    if (workspace === this.#session.workspace) {
      this.#session.recheck();
    }
  }

  revoked(key: Key): void {
    this.#session.revoked(key);
  }

  #sessionEvents(): SessionEvents {
    const iso = (time: number): string => new Date(time).toISOString();
    return {
      expiring: (expiresAt, closesAt) => {
        this.#out.send({ op: 'expiring', expiresAt: iso(expiresAt), closesAt: iso(closesAt) });
      },
      changed: (caller) => {
        for (const subscription of this.#subscriptions.values()) {
          if (subscription) {
            this.#service.subscriptions.transfer(subscription, caller);
          }
        }
      },
      over: (error) => {
        this.#end(error);
      },
    };
  }

  #end({ code, message }: ServiceError): void {
    this.#ws.close(CATALOGUE[code].closeCode, message.slice(0, CLOSE_REASON_BYTES_MAX));
  }

  #receive(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer;
    let id: RequestId | undefined;
    try {
      if (isBinary) {
        throw new ServiceError('invalid-frame', 'Frames are JSON text, this one is binary.');
      }
      const sent = parseJson(bytes);
      id = requestId(sent);
      this.#handle(checked(sent), bytes.length).catch((error: unknown) => {
        this.#fail(error, id);
      });
    } catch (error) {
      this.#fail(error, id);
    }
    this.#throttle();
  }

  async #handle(frame: ClientFrame, size: number): Promise<void> {
    while (this.#authenticating) {
      await this.#authenticating;
    }
    if (frame.op !== 'authenticate' && !this.#session.isKnown) {
      throw new MissingCredential();
    }
    switch (frame.op) {
      case 'authenticate':
        await this.#authenticate(frame);
        break;
      case 'emit':
        await this.#emit(frame, size);
        break;
      case 'subscribe':
        await this.#subscribe(frame);
        break;
      case 'unsubscribe':
        this.#unsubscribe(frame);
        break;
    }
  }

  async #authenticate({ id, token }: AuthenticateFrame): Promise<void> {
    const answered = this.#session.authenticate(token);
    this.#authenticating = answered.catch(() => undefined);
    this.#throttle();
    try {
      const { expiresAt } = await answered;
      const until = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
      this.#out.send({ op: 'authenticated', id, ...until });
    } finally {
      this.#authenticating = undefined;
      this.#throttle();
    }
  }

  async #emit({ id, events }: EmitFrame, size: number): Promise<void> {
    const { config, emitter } = this.#service;
    const { workspace, context } = this.#session;
    assertBatch(events, config.batchEventsMax);
    const inflight = size + events.length * RESULT_BYTES;
    this.#inflightBytes += inflight;
    try {
      const { epoch, results } = await emitter.emit(workspace, events, context);
      this.#out.send({ op: 'emitted', id, results: results.map((r) => itemResult(epoch, r)) });
    } finally {
      this.#inflightBytes -= inflight;
      this.#throttle();
    }
  }

  /** Reads on only while the log takes the events and the client takes the answers. */
  #throttle(): void {
    if (this.#out.isFull) {
      this.#ws.pause();
      if (!this.#awaitsDrain) {
        this.#awaitsDrain = true;
        void this.#out.ready().then(() => {
          this.#awaitsDrain = false;
          this.#throttle();
        });
      }
    } else if (
      this.#authenticating ||
      this.#inflightBytes > this.#service.config.inflightBytesMax
    ) {
      this.#ws.pause();
    } else if (this.#ws.isPaused) {
      this.#ws.resume();
    }
  }

  async #subscribe({ id, filter, from = 'now', pace }: SubscribeFrame): Promise<void> {
    const { config, subscriptions, reporter } = this.#service;
    const { workspace, context } = this.#session;
    if (this.#subscriptions.size >= config.subscriptionsMax) {
      throw new ServiceError(
        'limit-exceeded',
        `A connection has at most ${String(config.subscriptionsMax)} subscriptions.`,
      );
    }
    const name = `s${String(this.#nextSubscription++)}`;
    const request = {
      workspace,
      filter: filter === undefined ? EVERYTHING : parseFilter(filter),
      from,
      ...(pace !== undefined && { pace }),
    };
    // Its place is taken while it opens, so that many at once do not pass the limit.
    this.#subscriptions.set(name, undefined);
    try {
      const subscription = await subscriptions.open(request, context, (opening) => {
        this.#out.send({ op: 'subscribed', id, subscription: name, ...told(opening) });
        return subscriberOn(this.#out, name, opening.epoch, () => {
          this.#remove(name);
        });
      });
      if (!this.#subscriptions.has(name)) {
        subscription.close();
        return;
      }
      this.#subscriptions.set(name, subscription);
      // While it was opened, a newer credential may have come.
      subscriptions.transfer(subscription, this.#session.context.caller);
      metrics.subscribers.inc({ transport: 'ws' });
      subscription.run().catch((error: unknown) => {
        const { code, message } = reporter.toldAs(error, context, workspace);
        this.#remove(name);
        this.#out.send({ op: 'ended', subscription: name, code, message });
      });
    } catch (error) {
      this.#subscriptions.delete(name);
      throw error;
    }
  }

  #unsubscribe({ id, subscription }: UnsubscribeFrame): void {
    if (!this.#subscriptions.has(subscription)) {
      const message = `There is no subscription ${subscription} on this connection.`;
      throw new ServiceError('subscription-not-found', message);
    }
    this.#remove(subscription);
    this.#out.send({ op: 'unsubscribed', id, subscription });
  }

  #remove(name: string): void {
    const subscription = this.#subscriptions.get(name);
    this.#subscriptions.delete(name);
    if (subscription) {
      subscription.close();
      metrics.subscribers.dec({ transport: 'ws' });
    }
  }

  #fail(error: unknown, id: RequestId | undefined): void {
    const { context, workspace, isKnown } = this.#session;
    const told = this.#service.reporter.toldAs(error, context, workspace);
    const { correlationId } = context;
    this.#out.send({ op: 'error', id, ...itemError(told), correlationId });
    if (!isKnown) {
      // One try: whoever has no credential yet has nothing else to say here.
      this.#end(told);
    }
  }

  /** A peer that has vanished without closing answers no ping. */
  #beat(): void {
    if (!this.#alive) {
      this.#ws.terminate();
      return;
    }
    this.#alive = false;
    this.#ws.ping();
  }

  #closed(): void {
    clearInterval(this.#heartbeat);
    this.#session.close();
    metrics.connections.dec();
    for (const name of [...this.#subscriptions.keys()]) {
      this.#remove(name);
    }
  }
}

function told({ epoch, start }: Opening): Record<string, unknown> {
  const cursor = formatCursor(epoch, start.position);
  if (start.lost === undefined) {
    return { recovered: true, cursor };
  }
  const first = formatCursor(epoch, (start.position + 1) as Position);
  return { recovered: false, reason: start.lost, cursor, first };
}
