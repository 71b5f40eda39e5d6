import type { ServerResponse } from 'node:http';
import { delivered, metrics } from '../metrics.js';

/** A response that events are written to as they come, with the back-pressure of its socket. */
export class Stream {
  readonly #response: ServerResponse;
  readonly #bufferBytesMax: number;
  readonly #transport: 'sse' | 'export';
  readonly closed: Promise<void>;
  #drained: Promise<void> | undefined;
  #open = true;

  constructor(response: ServerResponse, bufferBytesMax: number, transport: 'sse' | 'export') {
    this.#response = response;
    this.#bufferBytesMax = bufferBytesMax;
    this.#transport = transport;
    metrics.subscribers.inc({ transport });
    this.closed = new Promise((resolve) => {
      const close = (): void => {
        this.#open = false;
        metrics.subscribers.dec({ transport });
        resolve();
      };
      // A client may be gone before its subscription is open, and does not go twice.
      if (response.destroyed) {
        close();
      } else {
        response.once('close', close);
      }
    });
  }

  /** False when nothing more should be written until `ready` resolves. */
  write(chunk: Buffer | string, events = 0): boolean {
    if (!this.#open) {
      return false;
    }
    this.#response.write(chunk);
    delivered[this.#transport] += events;
    return this.#response.writableLength < this.#bufferBytesMax;
  }

  /** Resolves when the socket has taken what was written, or is closed. */
  ready(): Promise<void> {
    if (!this.#open || this.#response.writableLength < this.#bufferBytesMax) {
      return Promise.resolve();
    }
    this.#drained ??= Promise.race([
      new Promise<void>((resolve) => this.#response.once('drain', resolve)),
      this.closed,
    ]).finally(() => {
      this.#drained = undefined;
    });
    return this.#drained;
  }

  end(): void {
    this.#response.end();
  }

  /**
   * Ends a stream that cannot be finished so that the client notices: it is cut off, not completed.
   */
  destroy(): void {
    this.#response.destroy();
  }
}
