import assert, { AssertionError } from 'node:assert/strict';
import type { Producer, Target } from '../crash/producer.js';
import { eventsUrl, request } from '../support/client.js';
import { positionOf } from '../support/tailer.js';

/** What is asked for, in turns: the newest, everything by a search, and an export. */
const WAYS = ['newest', 'search', 'newest', 'export'] as const;
type Way = (typeof WAYS)[number];

/** What an observer knows from elsewhere of the workspace that it looks at. */
export interface Known {
  readonly workspace: string;
  readonly epoch: string;
  /** How many events there were before the producers began. */
  readonly events: number;
  readonly producers: readonly Producer[];
}

interface Given {
  readonly position: string;
  readonly event: { readonly id: string };
}

const PAGE = 1_000;
const NEWEST = 50;

/**
 * Looks at a workspace again and again while something is done to its history, and holds each
 * answer to what was acknowledged before it asked. Each position of the log has an event, so an
 * answer is right if it has all positions up to some end, each once and in order, with what is
 * acknowledged at its place.
 */
export class Observer {
  readonly complaints: string[] = [];
  /** How many answers were right. */
  readonly right: Record<Way, number> = { newest: 0, search: 0, export: 0 };
  readonly #known: Known;

  constructor(known: Known) {
    this.#known = known;
  }

  /** Resolves when it is told to stop. What is not answered at all is no fault of the history. */
  async run(target: Target, stopped: () => boolean): Promise<void> {
    let turn = 0;
    while (!stopped()) {
      const way = WAYS[turn++ % WAYS.length]!;
      const url = await target.up();
      const acknowledged = this.#acknowledged();
      const last = Math.max(this.#known.events - 1, ...acknowledged.values());
      try {
        const found = await this.#look(way, url, `${this.#known.epoch}-${last}`);
        judge(found, way === 'newest' ? NEWEST : Infinity, last, acknowledged);
        this.right[way]++;
      } catch (error) {
        if (error instanceof AssertionError) {
          this.complaints.push(`${way}: ${error.message}`);
        }
      }
    }
  }

  #acknowledged(): Map<string, number> {
    const all = this.#known.producers.flatMap(({ acknowledged }) => [...acknowledged]);
    return new Map(all.filter((each): each is [string, number] => each[1] !== undefined));
  }

  /** In the order of the log. */
  async #look(way: Way, url: string, waitFor: string): Promise<Given[]> {
    const { workspace } = this.#known;
    if (way === 'export') {
      const headers = { Accept: 'application/x-ndjson' };
      const { status, body } = await request(eventsUrl(url, workspace), { headers });
      assert.equal(status, 200);
      const lines = (body as string).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as Given);
    }
    const found: Given[] = [];
    const limit = String(way === 'newest' ? NEWEST : PAGE);
    let more: Record<string, string> | undefined = { waitFor, wait: '30' };
    while (more) {
      const { status, body } = await request(eventsUrl(url, workspace, { ...more, limit }));
      assert.equal(status, 200, JSON.stringify(body));
      found.push(...(body.events as Given[]));
      const isOver = way === 'newest' || body.next === undefined;
      more = isOver ? undefined : { next: body.next as string };
    }
    return found.reverse();
  }
}

function judge(
  found: readonly Given[],
  most: number,
  last: number,
  acknowledged: ReadonlyMap<string, number>,
): void {
  const positions = found.map(({ position }) => positionOf(position));
  const [first = 0, end = -1] = [positions[0], positions.at(-1)];
  assert.ok(end >= last, `it ends at ${end}, but ${last} was acknowledged`);
  assert.equal(first, Math.max(end - most + 1, 0));
  const misplaced = positions.findIndex((position, index) => position !== first + index);
  assert.equal(misplaced, -1, `at ${first + misplaced} it has ${positions[misplaced]}`);
  const ids = new Map(found.map(({ event, position }) => [event.id, positionOf(position)]));
  for (const [id, position] of acknowledged) {
    if (position >= first) {
      assert.equal(ids.get(id), position, `${id} is at ${ids.get(id)}`);
    }
  }
}
