import type { ServerResponse } from 'node:http';
import { ServiceError } from '../errors.js';
import type { Position, Recorded } from '../event.js';
import { isKept } from '../projections/projection.js';
import { formatCursor } from '../queries/cursor.js';
import type { Matched } from '../queries/fanout.js';
import type { LossReason } from '../queries/from.js';
import type { Opening, SubscribeRequest } from '../queries/subscribe.js';
import type { Subscriber } from '../queries/subscription.js';
import type { Call } from './call.js';
import { Stream } from './stream.js';

/** How events are spelled in an export. Each has its cursor: there the next export goes on. */
export interface ExportFormat {
  readonly contentType: string;
  /** What comes before the first event. */
  readonly head: string;
  rows(epoch: string, records: readonly Recorded[]): Uint8Array | Promise<Uint8Array>;
  /** What says that all before `first` is lost; absent where the format has nothing to say it. */
  readonly loss?: (reason: LossReason, first: string) => string;
}

export interface ExportOptions {
  readonly format: ExportFormat;
  readonly isGzipped: boolean;
}

/**
 * Everything in the order of the log, from where it is asked for up to what was the head at the
 * start. What was kept out of the history is left out here too. The answer begins with the first
 * thing that there is to tell: until then an error is answered as one. After that it cuts the
 * connection off, and so the client notices, and goes on after the last whole event that it has.
 *
 * Resolves when everything is written, or the client has gone.
 *
 * @throws ServiceError before anything was written: also `invalid-cursor`, where events are lost
 *   and the format cannot tell of it.
 */
export async function exportEvents(
  { service, context }: Pick<Call, 'service' | 'context'>,
  request: SubscribeRequest,
  response: ServerResponse,
  options: ExportOptions,
): Promise<void> {
  const { subscriberBufferBytesMax } = service.config;
  let opened: Exporter | undefined;
  const whole = { ...request, toHead: true };
  const subscription = await service.subscriptions.open(whole, context, (opening) => {
    opened = new Exporter(response, subscriberBufferBytesMax, opening, options);
    return opened;
  });
  const exporter = opened as unknown as Exporter;
  try {
    await Promise.race([exporter.over, subscription.run()]);
    await exporter.over;
  } catch (error) {
    if (!response.headersSent) {
      throw error;
    }
    service.reporter.toldAs(error, context, request.workspace);
    response.destroy();
  } finally {
    exporter.leave();
    subscription.close();
  }
}

class Exporter implements Subscriber {
  readonly #response: ServerResponse;
  readonly #stream: Stream;
  readonly #epoch: string;
  readonly #options: ExportOptions;
  readonly #failed: Promise<unknown>;
  #fail: (error: unknown) => void = () => undefined;
  #isOver = false;
  /** Resolves when all that there was to tell so far is written: rows may take their time. */
  #told: Promise<void> = Promise.resolve();

  constructor(
    response: ServerResponse,
    bufferBytesMax: number,
    { epoch, start }: Opening,
    options: ExportOptions,
  ) {
    this.#response = response;
    this.#stream = new Stream(response, bufferBytesMax, 'export');
    this.#epoch = epoch;
    this.#options = options;
    this.#failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    if (start.lost !== undefined) {
      this.lost(start.lost, (start.position + 1) as Position);
    }
  }

  /**
   * Resolves when the client has everything, or is gone.
   *
   * @throws What keeps the client from having everything.
   */
  get over(): Promise<void> {
    const failed = this.#failed.then((error) => {
      throw error;
    });
    return Promise.race([this.#stream.closed, failed]);
  }

  /** Writes no more. */
  leave(): void {
    this.#isOver = true;
  }

  deliver({ records }: Matched): boolean {
    const kept = records.filter(isKept);
    this.#tell(async () => {
      this.#write(await this.#options.format.rows(this.#epoch, kept), kept.length);
    });
    return true;
  }

  async ready(): Promise<void> {
    await this.#told;
    await this.#stream.ready();
  }

  caughtUp(): void {
    // It ends at the head.
  }

  /** Nothing matches for long: a client that waits is told at least that it is served. */
  moved(): void {
    this.#tell(() => {
      this.#write('');
    });
  }

  lost(reason: LossReason, first: Position): void {
    this.#tell(() => {
      const { loss } = this.#options.format;
      if (!loss) {
        throw this.#untold(reason, first);
      }
      this.#write(loss(reason, formatCursor(this.#epoch, first)));
    });
  }

  ended(error?: ServiceError): void {
    this.#tell(() => {
      if (error) {
        throw error;
      }
      this.#write('');
      this.#stream.end();
    });
  }

  /** Tells something after what was told before; nothing, once that has failed. */
  #tell(step: () => void | Promise<void>): void {
    this.#told = this.#told
      .then(() => (this.#isOver ? undefined : step()))
      .catch((error: unknown) => {
        this.#isOver = true;
        this.#fail(error);
      });
  }

  #write(text: Uint8Array | string, events = 0): void {
    if (this.#isOver) {
      return;
    }
    if (!this.#response.headersSent) {
      this.#begin();
    }
    this.#stream.write(text, events);
  }

  #begin(): void {
    const { format, isGzipped } = this.#options;
    this.#response.writeHead(200, {
      'Content-Type': format.contentType,
      'Cache-Control': 'no-store',
      ...(isGzipped && { 'Content-Encoding': 'gzip' }),
    });
    // Compression would hold the head back.
    this.#response.flushHeaders();
    if (isGzipped) {
      this.#stream.gzip();
    }
    this.#stream.write(format.head);
  }

  #untold(reason: LossReason, first: Position): ServiceError {
    const after = formatCursor(this.#epoch, (first - 1) as Position);
    return new ServiceError(
      'invalid-cursor',
      `What came before ${formatCursor(this.#epoch, first)} is lost (${reason}), which this ` +
        `format cannot tell. Send after=${after} to have what there is.`,
      { errors: [{ path: 'after', message: `must be ${after} to have what there is` }] },
    );
  }
}
