import assert from 'node:assert/strict';
import { emit, eventsUrl, request, sse } from '../support/client.js';
import { searchAll } from '../support/log.js';
import { faults, type Fault, type Seen } from '../support/sequence.js';
import { positionOf } from '../support/tailer.js';
import { until } from '../until.js';

const BATCH_EVENTS = 10;
const RUN_MS_MAX = 60_000;

/** An event that was acknowledged: it was accepted between these two times, in epoch ms. */
export interface Acknowledged extends Seen {
  readonly cursor: string;
  readonly sentAt: number;
  readonly ackedAt: number;
}

/** Events that go into a workspace at a steady rate, and all that was acknowledged of them. */
export class Load {
  readonly workspace: string;
  readonly acknowledged: Acknowledged[] = [];
  readonly #url: string;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(url: string, workspace: string) {
    this.#url = url;
    this.workspace = workspace;
  }

  start(eventsPerSecond: number): void {
    this.#running = this.#run((1000 * BATCH_EVENTS) / eventsPerSecond);
  }

  /** Gives the cursor of the last one. */
  async stop(): Promise<string> {
    this.#stopped = true;
    await this.#running;
    return this.acknowledged.at(-1)!.cursor;
  }

  async emit(): Promise<void> {
    const first = this.acknowledged.length;
    const events = Array.from({ length: BATCH_EVENTS }, (_, index) => {
      const n = first + index;
      return { id: `${this.workspace}-${n}`, type: 'kept.tested', payload: { n } };
    });
    const sentAt = Date.now();
    const { status, body } = await emit(this.#url, this.workspace, events);
    const ackedAt = Date.now();
    assert.equal(status, 201, JSON.stringify(body));
    for (const { id, position: cursor } of body.results as { id: string; position: string }[]) {
      this.acknowledged.push({ id, cursor, position: positionOf(cursor), sentAt, ackedAt });
    }
  }

  async #run(everyMs: number): Promise<void> {
    let due = performance.now();
    while (!this.#stopped) {
      await this.emit();
      due += everyMs;
      await until('it is due', () => this.#stopped || performance.now() >= due, RUN_MS_MAX);
    }
  }
}

/** What a reader got, in the order of the log, and what it was told to have lost. */
export interface Reading {
  readonly seen: readonly Seen[];
  /** The first position that is not lost, as it was told. */
  readonly lostBefore: number | undefined;
}

/** The whole of a workspace, in three ways. */
export const READINGS = {
  export: async (url: string, workspace: string): Promise<Reading> => {
    const headers = { Accept: 'application/x-ndjson' };
    const { status, body } = await request(eventsUrl(url, workspace), { headers });
    assert.equal(status, 200);
    const lines = (body as string).split('\n').filter((line) => line !== '');
    return readingOf(lines.map((line) => JSON.parse(line) as Told));
  },
  'subscription from the start': async (url: string, workspace: string): Promise<Reading> => {
    const told: Told[] = [];
    for await (const { event, data } of sse(eventsUrl(url, workspace, { from: 'start' }))) {
      if (event === 'caught-up') {
        break;
      }
      told.push(data as Told);
    }
    return readingOf(told);
  },
  search: async (url: string, workspace: string, upTo: string): Promise<Reading> => {
    const found = await searchAll(url, workspace, upTo);
    return { seen: found.toReversed(), lostBefore: undefined };
  },
} as const;

interface Told {
  readonly position?: string;
  readonly event?: { readonly id: string };
  readonly recovered?: boolean;
  readonly first?: string;
}

function readingOf(told: readonly Told[]): Reading {
  const seen: Seen[] = [];
  let lostBefore: number | undefined;
  for (const { position, event, recovered, first } of told) {
    if (event) {
      seen.push({ position: positionOf(position), id: event.id });
    } else if (recovered === false) {
      assert.deepEqual(seen, [], 'something was lost in the middle');
      lostBefore = positionOf(first);
    }
  }
  return { seen, lostBefore };
}

/**
 * Reads all that is kept while events come and go, and tells what is wrong with it: what was
 * accepted within so many ms is lost, something is there twice, or is missing without a word.
 */
export async function complaintsAbout(
  way: keyof typeof READINGS,
  url: string,
  load: Load,
  maxAgeMs: number,
): Promise<string[]> {
  const known = [...load.acknowledged];
  const { position, cursor } = known.at(-1)!;
  const reading = await READINGS[way](url, load.workspace, cursor);
  const oldest = Date.now() - maxAgeMs;
  // Of those that came since, it may have any number.
  const seen = reading.seen.filter((each) => each.position <= position);
  const begin = seen[0]?.position ?? position + 1;
  const kept = known.find(({ sentAt }) => sentAt >= oldest)?.position ?? position + 1;
  // A search may come upon some of those that are being removed.
  const gaps = way === 'search' ? kept : Math.min(begin, kept);
  const told = reading.lostBefore ?? 0;
  const isSilent = way !== 'search' && begin !== told;
  return [
    ...faults(seen, known).flatMap(({ kind, at }: Fault) =>
      kind === 'gap' && at < gaps ? [] : [`${way}: a ${kind} at ${at}`],
    ),
    ...(isSilent ? [`${way}: it begins at ${begin}, and told ${told}`] : []),
  ];
}
