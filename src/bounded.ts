/** Remembers so many values; the one that was set first goes first. */
export class Bounded<K, V> {
  readonly #max: number;
  readonly #values = new Map<K, V>();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: K): V | undefined {
    return this.#values.get(key);
  }

  set(key: K, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#max) {
      const [first] = this.#values.keys();
      this.#values.delete(first as K);
    }
  }

  delete(key: K): void {
    this.#values.delete(key);
  }
}
