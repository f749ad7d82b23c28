/** Changes of the weights of each PcfApi since the process started: a ring buffer in memory. */
export interface WeightPoint {
  /** Milliseconds since 1970. */
  at: number;
  desired: number;
  effective: number;
}

const POINTS = 500;

export class WeightHistory {
  private readonly points = new Map<string, WeightPoint[]>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Records the weights of a PcfApi if they differ from those of its last point. */
  record(key: string, desired: number, effective: number): void {
    const points = this.points.get(key) ?? [];
    const last = points.at(-1);
    if (last?.desired === desired && last.effective === effective) return;
    points.push({ at: this.now(), desired, effective });
    if (points.length > POINTS) points.shift();
    this.points.set(key, points);
  }

  of(key: string): readonly WeightPoint[] {
    return this.points.get(key) ?? [];
  }

  forget(key: string): void {
    this.points.delete(key);
  }
}
