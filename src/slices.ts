import { setImmediate as turn } from 'node:timers/promises';

/** So long one piece of work may keep the event loop, until it is the turn of others. */
const SLICE_MS = 1;

/** Divides work that would keep everybody else waiting; the first slice begins now. */
export class Slices {
  #began = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#began > SLICE_MS;
  }

  /** Lets others have their turn; then the next slice begins. */
  async next(): Promise<void> {
    await turn();
    this.#began = performance.now();
  }
}
