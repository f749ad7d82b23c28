/** Cache with a TTL per entry. Concurrent lookups of a key share one call of `find`. */
export class TtlCache<T> {
  readonly #entries = new Map<string, { value: Promise<T>; until: number }>();

  constructor(private readonly max: number) {}

  /** `until` returns the expiry time of a value. Errors are not cached. */
  get(key: string, find: () => Promise<T>, until: (value: T) => number): Promise<T> {
    const known = this.#entries.get(key);
    if (known && known.until > Date.now()) return known.value;
    const value = find();
    const entry = { value, until: Number.POSITIVE_INFINITY };
    this.#entries.delete(key); // moves the entry to the end of the insertion order
    this.#entries.set(key, entry);
    this.#trim();
    value.then(
      (found) => {
        entry.until = until(found);
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return value;
  }

  #trim(): void {
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.max) return;
      this.#entries.delete(key);
    }
  }
}
