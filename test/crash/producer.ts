import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket, type Reply } from '../support/client.js';
import { positionOf } from '../support/tailer.js';
import { until } from '../until.js';

interface Draft {
  readonly id: string;
  readonly type: string;
  readonly payload: { readonly n: number };
}

/** What became of one event, where the answer told. */
interface Result {
  readonly id: string;
  readonly position: string;
}

/** Sends a batch, and tells of each answer. Fails where the connection breaks off. */
type Send = (
  url: string,
  drafts: readonly Draft[],
  answered: (results: readonly Result[]) => void,
) => Promise<void>;

export const WORKSPACE = 'crash';
const FRAME_EVENTS = 5;

/** A node that waits for its log answers in less. */
const ANSWER_MS_MAX = 30_000;

const SEND = { batch: sendBatch, lines: sendLines, socket: sendFrames } satisfies Record<
  string,
  Send
>;

export type Way = keyof typeof SEND;
export const WAYS = Object.keys(SEND) as Way[];

/** How much a producer sends. */
export interface Load {
  /** How many events at most before all of them are answered. */
  readonly eventsMax: Readonly<Record<Way, number>>;
  /** Over some batches; without it, as many as are answered. */
  readonly eventsPerSecond?: number;
  /** Whether to send, for now, as many as are answered. */
  readonly hurries?: () => boolean;
}

/** Where a producer sends to. */
export interface Target {
  /** Resolves when it is up, with its address. */
  up(): Promise<string>;
}

/**
 * Emits batch after batch, in order, with ids of its own. Of what was not confirmed, because a
 * server was killed, it sends the same again, or, where it does not retry, goes on with the next.
 */
export class Producer {
  readonly name: string;
  readonly retries: boolean;
  readonly sent: string[] = [];
  /**
   * The position that the service told, by id, in the order of the answers; of lines it tells only
   * that all went in.
   */
  readonly acknowledged = new Map<string, number | undefined>();
  /** How often the service answered that it cannot for now. */
  unavailable = 0;
  readonly #way: Way;
  readonly #load: Load;
  readonly #draw: () => number;

  /** @param name One of its own among those that send in the same way. */
  constructor(way: Way, retries: boolean, load: Load, draw: () => number, name = '') {
    this.name = `${way}-${retries ? 'again' : 'once'}${name}`;
    this.retries = retries;
    this.#way = way;
    this.#load = load;
    this.#draw = draw;
  }

  /** Resolves when it is told to stop, and, where it retries, has an answer for everything. */
  async run(target: Target, stopped: () => boolean): Promise<void> {
    let batch = this.#next();
    for (;;) {
      const due = performance.now() + this.#restMs(batch.length);
      const answered = await this.#try(await target.up(), batch);
      const isDue = (): boolean => performance.now() >= due || this.#hurries() || stopped();
      await until('the next batch is due', isDue);
      if (answered || !this.retries) {
        if (stopped()) {
          return;
        }
        batch = this.#next();
      }
    }
  }

  async #try(url: string, batch: readonly Draft[]): Promise<boolean> {
    try {
      await SEND[this.#way](url, batch, (results) => {
        this.#acknowledge(results);
      });
    } catch (error) {
      // What the service has said stays wrong, however the connection ended.
      if (error instanceof assert.AssertionError) {
        throw error;
      }
      this.unavailable += error instanceof Unavailable ? 1 : 0;
      return false;
    }
    for (const { id } of batch) {
      this.acknowledged.set(id, this.acknowledged.get(id));
    }
    return true;
  }

  #acknowledge(results: readonly Result[]): void {
    for (const { id, position } of results) {
      const first = this.acknowledged.get(id);
      assert.equal(positionOf(position), first ?? positionOf(position), `${id} has moved`);
      this.acknowledged.set(id, positionOf(position));
    }
  }

  #restMs(events: number): number {
    const { eventsPerSecond } = this.#load;
    return eventsPerSecond === undefined ? 0 : (1000 * events) / eventsPerSecond;
  }

  #hurries(): boolean {
    return this.#load.hurries?.() === true;
  }

  #next(): Draft[] {
    const length = Math.ceil(this.#draw() * this.#load.eventsMax[this.#way]);
    return Array.from({ length }, () => {
      const n = this.sent.length;
      const id = `${this.name}-${n}`;
      this.sent.push(id);
      return { id, type: 'crash.tested', payload: { n } };
    });
  }
}

/** The service has said that it cannot for now. What it was to do may be done all the same. */
class Unavailable extends Error {}

/** @throws Unavailable */
function assertEmitted({ status, body }: Reply): void {
  if (status === 503) {
    throw new Unavailable(body.detail as string);
  }
  assert.equal(status, 201, JSON.stringify(body));
}

async function sendBatch(
  url: string,
  drafts: readonly Draft[],
  answered: (results: readonly Result[]) => void,
): Promise<void> {
  const reply = await emit(url, WORKSPACE, drafts);
  assertEmitted(reply);
  answered(reply.body.results);
}

async function sendLines(url: string, drafts: readonly Draft[]): Promise<void> {
  const reply = await request(eventsUrl(url, WORKSPACE), {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: drafts.map((draft) => `${JSON.stringify(draft)}\n`).join(''),
  });
  assertEmitted(reply);
  assert.equal(reply.body.accepted, drafts.length);
}

/** Sends frame after frame without waiting for answers. */
async function sendFrames(
  url: string,
  drafts: readonly Draft[],
  answered: (results: readonly Result[]) => void,
): Promise<void> {
  const socket = await Socket.open(url, WORKSPACE);
  let frames = 0;
  let seen = 0;
  let refused: Unavailable | undefined;
  try {
    for (let at = 0; at < drafts.length; at += FRAME_EVENTS) {
      socket.send({ op: 'emit', id: frames++, events: drafts.slice(at, at + FRAME_EVENTS) });
    }
    const areAnswered = (): boolean => {
      for (const { op, results, code, message } of socket.frames.slice(seen)) {
        if (code === 'unavailable') {
          refused = new Unavailable(message);
        } else {
          assert.equal(op, 'emitted', `${code}: ${message}`);
          answered(results);
        }
        seen++;
      }
      if (socket.closed !== undefined) {
        throw new Error('the connection broke off');
      }
      return seen === frames;
    };
    await until('every frame is answered', areAnswered, ANSWER_MS_MAX);
    if (refused) {
      throw refused;
    }
  } finally {
    await socket.close();
  }
}
