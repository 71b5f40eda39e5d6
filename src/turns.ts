/** Work that is done piece by piece, in the order in which it comes, also behind what has failed. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  get isDone(): boolean {
    return this.#waiting === 0;
  }

  take<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const mine = this.#last.then(work).finally(() => {
      this.#waiting--;
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
