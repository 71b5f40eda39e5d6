import assert, { AssertionError } from 'node:assert/strict';
import type { Producer, Target } from '../crash/producer.js';
import { exportAll, searchAll, searchNewest } from '../support/log.js';
import type { Seen } from '../support/sequence.js';

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
  async #look(way: Way, url: string, waitFor: string): Promise<Seen[]> {
    const { workspace } = this.#known;
    switch (way) {
      case 'newest':
        return (await searchNewest(url, workspace, waitFor, NEWEST)).reverse();
      case 'search':
        return (await searchAll(url, workspace, waitFor)).reverse();
      case 'export':
        return exportAll(url, workspace);
    }
  }
}

function judge(
  found: readonly Seen[],
  most: number,
  last: number,
  acknowledged: ReadonlyMap<string, number>,
): void {
  const positions = found.map(({ position }) => position);
  const [first = 0, end = -1] = [positions[0], positions.at(-1)];
  assert.ok(end >= last, `it ends at ${end}, but ${last} was acknowledged`);
  assert.equal(first, Math.max(end - most + 1, 0));
  const misplaced = positions.findIndex((position, index) => position !== first + index);
  assert.equal(misplaced, -1, `at ${first + misplaced} it has ${positions[misplaced]}`);
  const ids = new Map(found.map(({ id, position }) => [id, position]));
  for (const [id, position] of acknowledged) {
    if (position >= first) {
      assert.equal(ids.get(id), position, `${id} is at ${ids.get(id)}`);
    }
  }
}
