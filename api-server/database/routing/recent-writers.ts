/** Clients with recent writes and their positions, so that their next request reads its own writes. */
export class RecentWriters {
  readonly #writers = new Map<string, { lsn: bigint; until: number }>();

  constructor(
    private readonly ttlMs: number,
    private readonly max: number,
  ) {}

  note(writer: string, lsn: bigint): void {
    this.#writers.delete(writer); // keeps the map ordered by age
    this.#writers.set(writer, { lsn, until: performance.now() + this.ttlMs });
    for (const [oldest, { until }] of this.#writers) {
      if (this.#writers.size <= this.max && until > performance.now()) break;
      this.#writers.delete(oldest);
    }
  }

  lsnOf(writer: string): bigint | undefined {
    const entry = this.#writers.get(writer);
    return entry && entry.until > performance.now() ? entry.lsn : undefined;
  }
}
