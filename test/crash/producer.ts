import assert from 'node:assert/strict';
import { emit, eventsUrl, request, Socket } from '../support/client.js';
import { positionOf } from '../support/tailer.js';
import { until } from '../until.js';
import type { CrashingNode } from './node.js';

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

/** How events are sent, and how many at most before all of them are answered. */
const WAYS = {
  batch: { send: sendBatch, eventsMax: 50 },
  lines: { send: sendLines, eventsMax: 1500 },
  socket: { send: sendFrames, eventsMax: 100 },
} satisfies Record<string, { send: Send; eventsMax: number }>;

/**
 * Emits batch after batch, in order, with ids of its own. Of what got no answer because the node
 * was killed it sends the same again, or, where it does not retry, goes on with the next.
 */
export class Producer {
  readonly name: string;
  readonly retries: boolean;
  readonly sent: string[] = [];
  /** The position that the service told, by id; of lines it tells only that all went in. */
  readonly acknowledged = new Map<string, number | undefined>();
  readonly #way: (typeof WAYS)[keyof typeof WAYS];
  readonly #draw: () => number;

  constructor(way: keyof typeof WAYS, retries: boolean, draw: () => number) {
    this.name = `${way}-${retries ? 'again' : 'once'}`;
    this.retries = retries;
    this.#way = WAYS[way];
    this.#draw = draw;
  }

  /** Resolves when it is told to stop, and, where it retries, has an answer for everything. */
  async run(node: CrashingNode, stopped: () => boolean): Promise<void> {
    let batch = this.#next();
    for (;;) {
      const answered = await this.#try(await node.up(), batch);
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
      await this.#way.send(url, batch, (results) => {
        this.#acknowledge(results);
      });
    } catch (error) {
      // What the service has said stays wrong, however the connection ended.
      if (error instanceof assert.AssertionError) {
        throw error;
      }
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

  #next(): Draft[] {
    const length = Math.ceil(this.#draw() * this.#way.eventsMax);
    return Array.from({ length }, () => {
      const n = this.sent.length;
      const id = `${this.name}-${n}`;
      this.sent.push(id);
      return { id, type: 'crash.tested', payload: { n } };
    });
  }
}

async function sendBatch(
  url: string,
  drafts: readonly Draft[],
  answered: (results: readonly Result[]) => void,
): Promise<void> {
  const { status, body } = await emit(url, WORKSPACE, drafts);
  assert.equal(status, 201, JSON.stringify(body));
  answered(body.results);
}

async function sendLines(url: string, drafts: readonly Draft[]): Promise<void> {
  const { status, body } = await request(eventsUrl(url, WORKSPACE), {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: drafts.map((draft) => `${JSON.stringify(draft)}\n`).join(''),
  });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.accepted, drafts.length);
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
  try {
    for (let at = 0; at < drafts.length; at += FRAME_EVENTS) {
      socket.send({ op: 'emit', id: frames++, events: drafts.slice(at, at + FRAME_EVENTS) });
    }
    await until('every frame is answered', () => {
      for (const { op, results } of socket.frames.slice(seen)) {
        assert.equal(op, 'emitted');
        answered(results);
        seen++;
      }
      if (socket.closed !== undefined) {
        throw new Error('the connection broke off');
      }
      return seen === frames;
    });
  } finally {
    await socket.close();
  }
}
