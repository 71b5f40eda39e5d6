import type { Recorded } from '../event.js';
import { pageBytesMax } from './limits.js';
import type { Order } from './store.sqlite.candidates.js';

/** A match with its place in the order. */
export interface Ranked {
  readonly time: number;
  /** The name of its incarnation. */
  readonly of: string;
  readonly record: Recorded;
}

/** The first matches of several workspaces, each of which brings its own in their order. */
export class RankedPage {
  readonly #order: Order;
  #limit: number;
  readonly found: Ranked[] = [];
  #bytes = 0;
  /** There are matches behind the page. */
  more = false;

  constructor(order: Order, limit: number) {
    this.#order = order;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.found.length >= this.#limit;
  }

  /** False where it has no place on the page, nor has any that comes behind it. */
  add(match: Ranked): boolean {
    let at = this.found.length;
    while (at > 0 && this.#compare(match, this.found[at - 1]!) < 0) {
      at--;
    }
    if (at >= this.#limit) {
      this.more = true;
      return false;
    }
    this.found.splice(at, 0, match);
    this.#bytes += match.record.bytes.byteLength;
    while (
      this.found.length > this.#limit ||
      (this.#bytes > pageBytesMax && this.found.length > 1)
    ) {
      const { record } = this.found.pop()!;
      this.#bytes -= record.bytes.byteLength;
      this.#limit = Math.min(this.#limit, this.found.length);
      this.more = true;
    }
    return at < this.#limit;
  }

  #compare(a: Ranked, b: Ranked): number {
    const names = a.of < b.of ? -1 : 1;
    const places = a.of === b.of ? a.record.position - b.record.position : names;
    const oldest = a.time - b.time || places;
    return this.#order === 'newest' ? -oldest : oldest;
  }
}
