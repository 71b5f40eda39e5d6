interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Bytes that may be under way at the same time, for all who share it. Who comes when they are used
 * up waits in line.
 */
export class Budget {
  readonly #max: number;
  readonly #line: Waiting[] = [];
  #free: number;

  constructor(max: number) {
    this.#max = max;
    this.#free = max;
  }

  /** Does the work when its bytes are to be had; what is larger than the budget needs all of it. */
  async spend<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const needed = Math.min(bytes, this.#max);
    await new Promise<void>((go) => {
      this.#line.push({ bytes: needed, go });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#free += needed;
      this.#admit();
    }
  }

  #admit(): void {
    for (let [next] = this.#line; next && next.bytes <= this.#free; [next] = this.#line) {
      this.#free -= next.bytes;
      this.#line.shift();
      next.go();
    }
  }
}
