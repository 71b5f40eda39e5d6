import type { ServerResponse } from 'node:http';
import { pipeline, type Writable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import { logger } from '../logger.js';
import { delivered, metrics } from '../metrics.js';

/** Events repeat their keys and much else: what a higher level saves is not worth its time. */
const GZIP_LEVEL = constants.Z_BEST_SPEED;

/** A response that events are written to as they come, with the back-pressure of its socket. */
export class Stream {
  readonly #response: ServerResponse;
  /** What is written to: the response itself, or what leads there. */
  #sink: Writable;
  readonly #bufferBytesMax: number;
  readonly #transport: 'sse' | 'export';
  readonly closed: Promise<void>;
  #drained: Promise<void> | undefined;
  #open = true;

  constructor(response: ServerResponse, bufferBytesMax: number, transport: 'sse' | 'export') {
    this.#response = response;
    this.#sink = response;
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

  /**
   * Compresses what is written from now on. The compression ends with the response, be it that the
   * client leaves.
   */
  gzip(): void {
    const gzip = createGzip({ level: GZIP_LEVEL });
    pipeline(gzip, this.#response, (error) => {
      if (error) {
        logger.debug({ err: error }, 'a compressed response broke off');
      }
    });
    this.#sink = gzip;
  }

  /** False when nothing more should be written until `ready` resolves. */
  write(chunk: Uint8Array | string, events = 0): boolean {
    if (!this.#open) {
      return false;
    }
    this.#sink.write(chunk);
    delivered[this.#transport] += events;
    return this.#sink.writableLength < this.#bufferBytesMax;
  }

  /** Resolves when the socket has taken what was written, or is closed. */
  ready(): Promise<void> {
    if (!this.#open || this.#sink.writableLength < this.#bufferBytesMax) {
      return Promise.resolve();
    }
    this.#drained ??= Promise.race([
      new Promise<void>((resolve) => this.#sink.once('drain', resolve)),
      this.closed,
    ]).finally(() => {
      this.#drained = undefined;
    });
    return this.#drained;
  }

  end(): void {
    this.#sink.end();
  }

  /**
   * Ends a stream that cannot be finished so that the client notices: it is cut off, not completed.
   */
  destroy(): void {
    this.#response.destroy();
  }
}
