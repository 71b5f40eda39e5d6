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
  frame(epoch: string, records: readonly Recorded[]): Buffer | string;
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
    if (exporter.refusal) {
      throw exporter.refusal;
    }
  } catch (error) {
    if (!response.headersSent) {
      throw error;
    }
    service.reporter.toldAs(error, context, request.workspace);
    response.destroy();
  } finally {
    subscription.close();
  }
}

class Exporter implements Subscriber {
  readonly #response: ServerResponse;
  readonly #stream: Stream;
  readonly #epoch: string;
  readonly #options: ExportOptions;
  readonly #refused: Promise<void>;
  #refuse: () => void = () => undefined;
  #isBrokenOff = false;
  /** What the answer is, in place of events. */
  refusal: ServiceError | undefined;

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
    this.#refused = new Promise((resolve) => {
      this.#refuse = resolve;
    });
    if (start.lost !== undefined) {
      this.lost(start.lost, (start.position + 1) as Position);
    }
  }

  /** Resolves when the client has everything or is gone, or there is a refusal to be told. */
  get over(): Promise<void> {
    return Promise.race([this.#stream.closed, this.#refused]);
  }

  deliver({ records }: Matched): boolean {
    const kept = records.filter(isKept);
    return this.#write(this.#options.format.frame(this.#epoch, kept), kept.length);
  }

  ready(): Promise<void> {
    return this.#stream.ready();
  }

  caughtUp(): void {
    // It ends at the head.
  }

  /** Nothing matches for long: a client that waits is told at least that it is served. */
  moved(): void {
    this.#write('');
  }

  lost(reason: LossReason, first: Position): void {
    const { loss } = this.#options.format;
    if (loss) {
      this.#write(loss(reason, formatCursor(this.#epoch, first)));
    } else {
      this.#breakOff(this.#untold(reason, first));
    }
  }

  ended(error?: ServiceError): void {
    if (error) {
      this.#breakOff(error);
    } else if (!this.#isBrokenOff) {
      this.#write('');
      this.#stream.end();
    }
  }

  /** False when nothing more should be written until it is ready. */
  #write(text: Buffer | string, events = 0): boolean {
    if (this.#isBrokenOff) {
      return false;
    }
    if (!this.#response.headersSent) {
      this.#begin();
    }
    return this.#stream.write(text, events);
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

  #breakOff(error: ServiceError): void {
    this.#isBrokenOff = true;
    if (this.#response.headersSent) {
      this.#stream.destroy();
    } else {
      this.refusal = error;
      this.#refuse();
    }
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
