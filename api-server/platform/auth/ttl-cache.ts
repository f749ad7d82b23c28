/** Keeps what was found for a moment; those who ask for it meanwhile wait for the same search. */
export class TtlCache<T> {
  readonly #entries = new Map<string, { value: Promise<T>; until: number }>();

  constructor(private readonly max: number) {}

  /** `until` says how long an answer is good. A failure is not kept. */
  get(key: string, find: () => Promise<T>, until: (value: T) => number): Promise<T> {
    const known = this.#entries.get(key);
    if (known && known.until > Date.now()) return known.value;
    const value = find();
    const entry = { value, until: Number.POSITIVE_INFINITY };
    this.#entries.delete(key); // so that the newest are last
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
