import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Position } from '../event.js';
import { delivered } from '../metrics.js';
import { formatCursor } from '../queries/cursor.js';
import type { Subscriber } from '../queries/subscription.js';
import { textFrame, wsFraming } from './framing.js';
import { itemError } from './respond.js';

/**
 * The sending side of a WebSocket. Frames are ready-made and written to the socket with one call
 * each: the same buffer goes to every socket that gets the same events, and an answer costs one
 * system call instead of the two parts that `ws` would write. `ws` reads, answers pings and closes.
 */
export class FrameSocket {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #bufferBytesMax: number;
  #drained: Promise<void> | undefined;

  constructor(ws: WebSocket, socket: Duplex, bufferBytesMax: number) {
    this.#ws = ws;
    this.#socket = socket;
    this.#bufferBytesMax = bufferBytesMax;
  }

  get isFull(): boolean {
    return !this.#socket.destroyed && this.#socket.writableLength >= this.#bufferBytesMax;
  }

  send(frame: Record<string, unknown>): void {
    if (this.#ws.readyState === this.#ws.OPEN) {
      this.#socket.write(textFrame(JSON.stringify(frame)));
    }
  }

  /** Writes ready-made frames; not after a close frame, which ends what a server may send. */
  write(frames: Buffer): void {
    if (this.#ws.readyState === this.#ws.OPEN) {
      this.#socket.write(frames);
    }
  }

  /** Resolves when the socket has taken what was written, or is gone; all wait for the same. */
  ready(): Promise<void> {
    if (!this.isFull) {
      return Promise.resolve();
    }
    this.#drained ??= new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done).off('close', done);
        this.#drained = undefined;
        resolve();
      };
      this.#socket.on('drain', done).on('close', done);
    });
    return this.#drained;
  }
}

/** What a subscription on a WebSocket tells its client. */
export function subscriberOn(
  out: FrameSocket,
  subscription: string,
  epoch: string,
  ended: () => void,
): Subscriber {
  const framing = wsFraming(epoch, subscription);
  const at = (position: Position): string => formatCursor(epoch, position);
  return {
    deliver: (matched) => {
      out.write(matched.frame(framing));
      delivered.ws += matched.records.length;
      return !out.isFull;
    },
    ready: () => out.ready(),
    caughtUp: (position) => {
      out.send({ op: 'caughtUp', subscription, cursor: at(position) });
    },
    moved: (position) => {
      out.send({ op: 'position', subscription, cursor: at(position) });
    },
    lost: (reason, first) => {
      out.send({ op: 'recovery', subscription, recovered: false, reason, first: at(first) });
    },
    ended: (error) => {
      ended();
      out.send({ op: 'ended', subscription, ...(error && itemError(error)) });
    },
  };
}
