/** Load balancing with exact shares, not only on average. */

/**
 * Smooth weighted round-robin (as in nginx): of 100 requests, each destination receives exactly its weight,
 * distributed evenly.
 */
export class WeightedChoice<T> {
  private readonly current: number[];
  private readonly total: number;

  constructor(
    private readonly choices: readonly T[],
    private readonly weightOf: (choice: T) => number,
  ) {
    this.current = choices.map(() => 0);
    this.total = choices.reduce((sum, choice) => sum + weightOf(choice), 0);
  }

  next(): T | undefined {
    if (this.total === 0) return undefined;
    let best = 0;
    for (const [index, choice] of this.choices.entries()) {
      this.current[index]! += this.weightOf(choice);
      if (this.current[index]! > this.current[best]!) best = index;
    }
    this.current[best]! -= this.total;
    return this.choices[best];
  }
}
