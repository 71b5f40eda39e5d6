import type { IncomingMessage } from 'node:http';
import type { Emitted } from '../commands/emit.js';
import { parseJson } from '../commands/json.js';
import { ServiceError } from '../errors.js';
import { formatCursor } from '../queries/cursor.js';
import { assertPlain, bytes, mediaType, notAllowed } from './body.js';
import type { Call } from './call.js';
import { cloudEvents, isCloudEvent } from './cloudevents.js';
import { lines } from './lines.js';
import { emittedStatus, itemError, itemResult } from './respond.js';

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Errors of an NDJSON stream that are told one by one; the others are only counted. */
const LINE_ERRORS_MAX = 100;
/** How many parts of a stream may be under way: one commits, one gathers. */
const PARTS_INFLIGHT_MAX = 2;

/** One event, a batch, or CloudEvents: everything that is held in memory whole. */
export async function emitBody(request: IncomingMessage, call: Call): Promise<Answer> {
  const { service, workspace, context } = call;
  const { quotas, config } = service;
  const taker = { workspace, caller: context.caller };
  // Before anything is read: who has used up a quota costs nothing more.
  quotas.take({ eventsPerSecond: 0 }, taker);
  const { drafts, size } = await draftsIn(request, call).catch((error: unknown) => {
    // What is no event has cost as much as one.
    quotas.take({ eventsPerSecond: 1 }, taker);
    throw error;
  });
  assertBatch(drafts, config.batchEventsMax);
  quotas.take({ bytesPerSecond: size, eventsPerSecond: drafts.length }, taker);
  const { epoch, results } = await service.emitter.emit(workspace, drafts, context);
  const refused = results.filter((result) => 'error' in result).length;
  return {
    status: emittedStatus(results.length - refused, refused),
    body: { results: results.map((result) => itemResult(epoch, result)) },
  };
}

/** The events that a request brings, and how many bytes they came in. */
async function draftsIn(
  request: IncomingMessage,
  { service, check }: Call,
): Promise<{ drafts: readonly unknown[]; size: number }> {
  if (isCloudEvent(request)) {
    const body = await bytes(request, service.config);
    return { drafts: cloudEvents(request, body), size: body.length };
  }
  const type = mediaType(request);
  if (type !== 'application/json') {
    throw notAllowed(
      type,
      'application/json, application/x-ndjson, application/cloudevents+json, ' +
        'application/cloudevents-batch+json, or any type with ce-* headers',
    );
  }
  const body = await bytes(request, service.config);
  const sent = parseJson(body);
  check(sent);
  return { drafts: draftsOf(sent), size: body.length };
}

/** The events of a body or a frame: those of `events`, or the body itself. */
function draftsOf(body: unknown): readonly unknown[] {
  const { events } = body as { events?: unknown };
  return Array.isArray(events) ? events : [body];
}

/** @throws ServiceError `too-large` */
export function assertBatch(drafts: readonly unknown[], eventsMax: number): void {
  if (drafts.length > eventsMax) {
    throw new ServiceError(
      'too-large',
      `The batch has ${String(drafts.length)} events, the limit is ${String(eventsMax)}.`,
    );
  }
}

/**
 * A stream of lines, of any length. The client is read from only as fast as the log takes the
 * events and the quotas let them through. Where the client breaks off, what came before stays
 * emitted.
 */
export async function emitLines(request: IncomingMessage, call: Call): Promise<Answer> {
  assertPlain(request);
  const { service, workspace, context } = call;
  const { eventBytesMax } = service.config;
  const taker = { workspace, caller: context.caller };
  const tally = new Tally();
  const inflight = new Set<Promise<void>>();
  const failures: unknown[] = [];

  const emit = async (part: readonly { number: number; draft: unknown }[]): Promise<void> => {
    const drafts = part.map(({ draft }) => draft);
    const sent = service.emitter.emit(workspace, drafts, context).then((emitted) => {
      tally.add(part, emitted);
    });
    const done = sent
      .catch((error: unknown) => {
        // Told below, however long before the end of the stream it came.
        failures.push(error);
      })
      .finally(() => inflight.delete(done));
    inflight.add(done);
    if (inflight.size >= PARTS_INFLIGHT_MAX) {
      await Promise.race(inflight);
    }
    assertNone(failures);
  };

  try {
    // A line is emitted as soon as it has come: a slow stream is as live as any other producer.
    for await (const arrived of lines(request, eventBytesMax)) {
      const size = arrived.reduce((sum, { bytes: line }) => sum + (line?.length ?? 0), 0);
      const amounts = { bytesPerSecond: size, eventsPerSecond: arrived.length };
      await service.quotas.takeInTime(amounts, taker);
      const part = arrived.flatMap(({ number, bytes: line }) => {
        try {
          return [{ number, draft: draftIn(line, eventBytesMax) }];
        } catch (error) {
          tally.refuse(number, error as ServiceError);
          return [];
        }
      });
      if (part.length > 0) {
        await emit(part);
      }
    }
    await Promise.all(inflight);
    assertNone(failures);
  } catch (error) {
    await Promise.all(inflight);
    throw tally.withProgress(error);
  }
  return tally.answer();
}

/** @throws The first of them. */
function assertNone(failures: readonly unknown[]): void {
  if (failures.length > 0) {
    throw failures[0];
  }
}

function draftIn(line: Buffer | undefined, bytesMax: number): unknown {
  if (!line) {
    throw new ServiceError('too-large', `The line is longer than ${String(bytesMax)} bytes.`);
  }
  return parseJson(line);
}

/** What has become of the lines so far. */
class Tally {
  #accepted = 0;
  #refused = 0;
  #cursor: string | undefined;
  #last = -1;
  #errors: { line: number }[] = [];

  add(lines: readonly { number: number }[], { epoch, results }: Emitted): void {
    for (const [index, result] of results.entries()) {
      if ('error' in result) {
        this.refuse(lines[index]!.number, result.error);
        continue;
      }
      this.#accepted++;
      if (result.position > this.#last) {
        this.#last = result.position;
        this.#cursor = formatCursor(epoch, result.position);
      }
    }
  }

  refuse(line: number, error: ServiceError): void {
    this.#refused++;
    this.#errors.push({ line, ...itemError(error) });
    if (this.#errors.length >= 2 * LINE_ERRORS_MAX) {
      this.#errors = this.#firstErrors();
    }
  }

  /** By their lines: parts of a stream are answered in another order than they are sent. */
  #firstErrors(): { line: number }[] {
    return this.#errors.toSorted((a, b) => a.line - b.line).slice(0, LINE_ERRORS_MAX);
  }

  answer(): Answer {
    if (this.#accepted + this.#refused === 0) {
      throw new ServiceError('invalid-body', 'The stream has no events: send one a line.');
    }
    return {
      status: emittedStatus(this.#accepted, this.#refused),
      body: {
        accepted: this.#accepted,
        refused: this.#refused,
        errors: this.#firstErrors(),
        ...(this.#cursor !== undefined && { cursor: this.#cursor }),
      },
    };
  }

  /** Who has to send the rest again wants to know how much is in. */
  withProgress(error: unknown): unknown {
    if (!(error instanceof ServiceError)) {
      return error;
    }
    const { code, message, errors, retryAfterSeconds } = error;
    return new ServiceError(
      code,
      `${message} Of the stream, ${String(this.#accepted)} events were accepted before.`,
      {
        cause: error,
        ...(errors && { errors }),
        ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
      },
    );
  }
}
