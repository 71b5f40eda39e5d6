import { Slices } from '../slices.js';
import type { RequestId } from './frames.js';

/** A frame as it came. */
export interface Arrived {
  readonly bytes: Buffer;
  readonly isBinary: boolean;
  /** What its answer goes by, once it is known. */
  id?: RequestId | undefined;
}

/**
 * The frames of a WebSocket, looked at one after the other. A read of the socket brings up to a
 * thousand small ones, and a turn of the event loop some dozens of reads: to look at them all at
 * once would keep everybody else waiting. So it goes on in turns, and those behind one that was
 * refused for a quota wait for a while; meanwhile nothing is read.
 */
export class Arrivals {
  readonly #admit: (frame: Arrived) => Promise<void>;
  readonly #changed: () => void;
  /** No more than one read brings, for nothing is read while some wait. */
  readonly #waiting: Arrived[] = [];
  #isAdmitting = false;
  #isOthersTurn = false;
  #held: Promise<void> | undefined;
  #isClosed = false;

  /**
   * @param admit Resolves when the next may be looked at; never rejects.
   * @param changed Is called when there is a reason to read on, or no longer.
   */
  constructor(admit: (frame: Arrived) => Promise<void>, changed: () => void) {
    this.#admit = admit;
    this.#changed = changed;
  }

  /** Whether nothing is to be read for now. */
  get isFull(): boolean {
    return this.#isOthersTurn || this.#held !== undefined;
  }

  add(frame: Arrived): void {
    this.#waiting.push(frame);
    if (!this.#isAdmitting) {
      void this.#admitAll();
    }
    this.#changed();
  }

  /** One was refused: those behind it are looked at no sooner than this resolves. */
  hold(until: Promise<void>): void {
    this.#held ??= until.then(() => {
      this.#held = undefined;
      this.#changed();
    });
    this.#changed();
  }

  /** Nobody waits any longer for what was held back. */
  close(): void {
    this.#isClosed = true;
  }

  async #admitAll(): Promise<void> {
    this.#isAdmitting = true;
    const slices = new Slices();
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      await this.#admit(next);
      if (this.#held) {
        await this.#held;
        if (this.#isClosed) {
          this.#waiting.length = 0;
        }
      } else if (slices.isOver) {
        await this.#letOthers(slices);
      }
    }
    this.#isAdmitting = false;
  }

  async #letOthers(slices: Slices): Promise<void> {
    this.#isOthersTurn = true;
    this.#changed();
    await slices.next();
    this.#isOthersTurn = false;
    this.#changed();
  }
}
