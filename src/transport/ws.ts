import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Context } from '../commands/context.js';
import type { Key } from '../commands/keyring.js';
import { parseJson } from '../commands/json.js';
import { CATALOGUE, MissingCredential, ServiceError } from '../errors.js';
import { metrics } from '../metrics.js';
import type { Service } from '../service.js';
import { Arrivals, type Arrived } from './arrivals.js';
import type { Authenticator } from './authenticate.js';
import { assertBatch } from './emit.js';
import { boundFirstFrame } from './firstframe.js';
import {
  checked,
  requestId,
  type AuthenticateFrame,
  type ClientFrame,
  type EmitFrame,
  type RequestId,
} from './frames.js';
import { FrameSocket } from './framesocket.js';
import { itemError, itemResult } from './respond.js';
import { Session, type SessionEvents } from './session.js';
import { SocketSubscriptions } from './ws.subscriptions.js';

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
  readonly #subscriptions: SocketSubscriptions;
  readonly #heartbeat: NodeJS.Timeout;
  readonly closed: Promise<void>;
  /** Bytes of emit frames that are not yet answered, and of their answers. */
  #inflightBytes = 0;
  #awaitsDrain = false;
  /** Set while it is being found out who is calling; frames wait for it. */
  #authenticating: Promise<unknown> | undefined;
  readonly #arrivals: Arrivals;
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
    this.#subscriptions = new SocketSubscriptions(service, this.#session, this.#out);
    metrics.connections.inc();
    if (!this.isKnown) {
      boundFirstFrame(ws, socket);
    }
    this.#arrivals = new Arrivals(
      (frame) => this.#handle(frame),
      () => {
        this.#throttle();
      },
    );
    ws.on('message', (data, isBinary) => {
      this.#alive = true;
      this.#arrivals.add({ bytes: data as Buffer, isBinary });
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

  get isKnown(): boolean {
    return this.#session.isKnown;
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
        this.#subscriptions.transfer(caller);
      },
      over: (error) => {
        this.#end(error);
      },
    };
  }

  #end({ code, message }: ServiceError): void {
    this.#ws.close(CATALOGUE[code].closeCode, message.slice(0, CLOSE_REASON_BYTES_MAX));
  }

  /** Until it is admitted: those behind it need not wait until it is served. */
  async #handle(arrived: Arrived): Promise<void> {
    const fail = (error: unknown): void => {
      this.#fail(error, arrived.id);
    };
    try {
      const frame = await this.#admit(arrived);
      this.#serve(frame, arrived.bytes.length).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  /** What a frame asks for, once it is known who is calling and the quotas have room for it. */
  async #admit(arrived: Arrived): Promise<ClientFrame> {
    const { bytes, isBinary } = arrived;
    let frame: ClientFrame;
    try {
      if (isBinary) {
        throw new ServiceError('invalid-frame', 'Frames are JSON text, this one is binary.');
      }
      const sent = parseJson(bytes);
      arrived.id = requestId(sent);
      frame = checked(sent);
    } catch (error) {
      this.#take(1, bytes.length);
      throw error;
    }
    while (this.#authenticating) {
      await this.#authenticating;
    }
    if (frame.op !== 'authenticate' && !this.#session.isKnown) {
      throw new MissingCredential();
    }
    this.#take(frame.op === 'emit' ? frame.events.length : 1, bytes.length);
    return frame;
  }

  async #serve(frame: ClientFrame, size: number): Promise<void> {
    switch (frame.op) {
      case 'authenticate':
        await this.#authenticate(frame);
        break;
      case 'emit':
        await this.#emit(frame, size);
        break;
      case 'subscribe':
        await this.#subscriptions.subscribe(frame);
        break;
      case 'unsubscribe':
        this.#subscriptions.unsubscribe(frame);
        break;
    }
  }

  /**
   * A frame that brings no event costs as much as one. Whoever is not known yet has one try, and
   * takes nothing from those who are.
   */
  #take(events: number, bytes: number): void {
    const { workspace, context, isKnown } = this.#session;
    if (isKnown) {
      const taker = { workspace, caller: context.caller };
      const amounts = { bytesPerSecond: bytes, eventsPerSecond: Math.max(events, 1) };
      this.#service.quotas.take(amounts, taker);
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
      this.#arrivals.isFull ||
      this.#inflightBytes > this.#service.config.inflightBytesMax
    ) {
      this.#ws.pause();
    } else if (this.#ws.isPaused) {
      this.#ws.resume();
    }
  }

  #fail(error: unknown, id: RequestId | undefined): void {
    const { context, workspace, isKnown } = this.#session;
    const told = this.#service.reporter.toldAs(error, context, workspace);
    this.#out.send({ op: 'error', id, ...itemError(told), correlationId: context.correlationId });
    if (told.code === 'quota-exceeded') {
      const taker = { workspace, caller: context.caller };
      this.#arrivals.hold(this.#service.refusals.hold(taker, this.#ws));
    }
    if (!isKnown) {
      // One try: whoever has no credential yet has nothing else to say here.
      this.#end(told);
    }
  }

  /** A peer that has vanished without closing answers no ping. */
  #beat(): void {
    if (this.#ws.isPaused && !this.#out.isFull) {
      // It is not the client that is slow: its answer waits to be read.
      return;
    }
    if (!this.#alive) {
      this.#ws.terminate();
      return;
    }
    this.#alive = false;
    this.#ws.ping();
  }

  #closed(): void {
    clearInterval(this.#heartbeat);
    this.#arrivals.close();
    this.#session.close();
    metrics.connections.dec();
    this.#subscriptions.close();
  }
}
