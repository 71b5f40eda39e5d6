import assert from 'node:assert/strict';
import { emit, Socket } from '../support/client.js';
import { random } from '../support/random.js';
import { positionOf, Tailer, type From, type Transport } from '../support/tailer.js';
import { until } from '../until.js';

export interface Weather {
  readonly seed: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly tailers: number;
}

export const WORKSPACE = 'storm';
const KINDS = ['a', 'b', 'c'] as const;

/** What a subscriber may ask for, and, told by other means, which events that are. */
const FILTERS = [
  { filter: {}, matches: () => true },
  { filter: { type: 'tick.b' }, matches: (n: number) => n % 3 === 1 },
  { filter: {}, matches: () => true },
  { filter: { 'payload.name': 'c*' }, matches: (n: number) => n % 3 === 2 },
] as const;
const TRANSPORTS = ['ws', 'sse', 'poll'] as const satisfies readonly Transport[];
const LAST = 40;

/** The chance that a subscriber is cut off in a given look at it; of each fourth one, often. */
const DROP_CHANCE = 1 / 200;
const DROP_CHANCE_RESTLESS = 1 / 20;

/** How many events a subscriber may miss before it comes back: more than the node has at hand. */
const AWAY_EVENTS_MAX = 600;

/**
 * Emits whether or not the service keeps up (open loop), on all nodes, over HTTP and a WebSocket in
 * turns.
 */
class Emitter {
  sent = 0;
  /** The highest position acknowledged so far. */
  acknowledged = -1;
  readonly #urls: readonly string[];
  readonly #sockets: readonly Socket[];
  readonly #answers: Promise<void>[] = [];

  private constructor(urls: readonly string[], sockets: readonly Socket[]) {
    this.#urls = urls;
    this.#sockets = sockets;
  }

  static async open(urls: readonly string[]): Promise<Emitter> {
    return new Emitter(urls, await Promise.all(urls.map((url) => Socket.open(url, WORKSPACE))));
  }

  async close(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.close()));
  }

  emit(count: number): void {
    const events = Array.from({ length: count }, () => {
      const n = this.sent++;
      const kind = KINDS[n % KINDS.length] ?? '';
      return { id: `e${n}`, type: `tick.${kind}`, payload: { n, name: `${kind}${n}` } };
    });
    this.#answers.push(this.#answer(events));
  }

  /** Resolves when all is acknowledged. */
  async settled(): Promise<void> {
    await Promise.all(this.#answers);
  }

  async #answer(events: readonly unknown[]): Promise<void> {
    const turn = this.#answers.length;
    const node = turn % this.#urls.length;
    const answer =
      Math.floor(turn / this.#urls.length) % 2 === 0
        ? (await emit(this.#urls[node]!, WORKSPACE, events)).body
        : await this.#sockets[node]!.ask({ op: 'emit', events });
    assert.ok(answer.results, JSON.stringify(answer));
    for (const { position } of answer.results) {
      this.acknowledged = Math.max(this.acknowledged, positionOf(position));
    }
  }
}

/** A subscriber of the storm, and what is known of the log when it came. */
export interface Visitor {
  readonly tailer: Tailer;
  readonly matches: (n: number) => boolean;
  readonly dropChance: number;
  /** How many events are out when it comes, at first and after each time that it was cut off. */
  comesAt: number;
  acknowledgedBefore: number | undefined;
  /** How many events were out when it had an answer: it receives all further ones. */
  sentAtAnswer: number | undefined;
}

/**
 * Emits at a steady rate while subscribers of all transports come, are cut off and come back with
 * their last cursor. Resolves when all is emitted and all have come back.
 *
 * @param urls Of the nodes; who was cut off from one comes back on the next.
 */
export async function storm(
  urls: readonly string[],
  weather: Weather,
): Promise<readonly Visitor[]> {
  const draw = random(weather.seed);
  const total = weather.eventsPerSecond * weather.seconds;
  const emitter = await Emitter.open(urls);
  const visitors = Array.from({ length: weather.tailers }, (_, index) =>
    visitor(urls, index, Math.floor(draw() * total * 0.8), weather),
  );
  try {
    const began = performance.now();
    await until(
      'the storm is over',
      () => {
        const due = Math.floor(((performance.now() - began) * weather.eventsPerSecond) / 1000);
        if (due > emitter.sent) {
          emitter.emit(Math.min(due, total) - emitter.sent);
        }
        for (const one of visitors) {
          disturb(one, emitter, draw);
        }
        return emitter.sent === total;
      },
      weather.seconds * 1000 + 30_000,
    );
    // Twice: what a subscriber is given once too often may come behind the last that it misses.
    await calm(visitors, emitter);
    await calm(visitors, emitter);
    return visitors;
  } finally {
    for (const { tailer } of visitors) {
      tailer.drop();
    }
    await emitter.close();
  }
}

function visitor(
  urls: readonly string[],
  index: number,
  comesAt: number,
  { eventsPerSecond }: Weather,
): Visitor {
  const { filter, matches } = FILTERS[index % FILTERS.length] ?? FILTERS[0];
  const transport = TRANSPORTS[index % TRANSPORTS.length] ?? 'ws';
  // Before it comes, so that there are events before that time and after it.
  const time = new Date(Date.now() + (700 * comesAt) / eventsPerSecond).toISOString();
  const starts: From[] = ['now', 'start', { time }, { last: LAST }];
  const from = starts[Math.floor(index / FILTERS.length) % starts.length] ?? 'now';
  let comings = index;
  const next = (): string => urls[comings++ % urls.length]!;
  return {
    tailer: new Tailer(next, { transport, workspace: WORKSPACE, filter, from }),
    matches,
    dropChance: index % 4 === 0 ? DROP_CHANCE_RESTLESS : DROP_CHANCE,
    comesAt,
    acknowledgedBefore: undefined,
    sentAtAnswer: undefined,
  };
}

function disturb(one: Visitor, emitter: Emitter, draw: () => number): void {
  const { tailer } = one;
  if (tailer.answered) {
    one.sentAtAnswer ??= emitter.sent;
  }
  if (!tailer.connected && emitter.sent >= one.comesAt) {
    one.acknowledgedBefore ??= emitter.acknowledged;
    tailer.connect();
  } else if (tailer.connected && draw() < one.dropChance) {
    tailer.drop();
    one.comesAt = emitter.sent + Math.floor(draw() * AWAY_EVENTS_MAX);
  }
}

/**
 * Has all subscribers there, emits one more event of each kind, and waits until they have it. Who
 * does not get it in time is told of by its complaints.
 */
async function calm(visitors: readonly Visitor[], emitter: Emitter): Promise<void> {
  const areThere = (have: (one: Visitor) => boolean): Promise<unknown> =>
    until('every subscriber is there', () => {
      for (const { tailer } of visitors.filter((one) => !one.tailer.connected)) {
        tailer.connect();
      }
      return visitors.every(have);
    }).catch(() => undefined);
  await areThere(({ tailer }) => tailer.answered);
  for (const one of visitors) {
    one.sentAtAnswer ??= emitter.sent;
  }
  await emitter.settled();
  emitter.emit(KINDS.length);
  await emitter.settled();
  await areThere(({ tailer, matches }) => {
    const last = Number(tailer.received.at(-1)?.id.slice(1));
    return last >= emitter.sent - KINDS.length && matches(last);
  });
}
