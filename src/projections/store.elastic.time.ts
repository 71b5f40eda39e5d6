import type { ServiceError } from '../errors.js';
import { searchTookTooLong } from './limits.js';

/** The time that a query has, whatever it asks Elasticsearch for; it begins now. */
export class QueryTime {
  readonly #msMax: number;
  readonly #end: number;

  constructor(msMax: number) {
    this.#msMax = msMax;
    this.#end = performance.now() + msMax;
  }

  /** In whole milliseconds; 0 when it is over. */
  get msLeft(): number {
    return Math.max(Math.floor(this.#end - performance.now()), 0);
  }

  tookTooLong(): ServiceError {
    return searchTookTooLong(this.#msMax);
  }
}
