/** The weights of each PcfApi as they changed while somebody watched: a ring in memory, bounded both ways. */
export interface WeightPoint {
  /** Milliseconds since 1970. */
  at: number;
  asked: number;
  inForce: number;
}

const POINTS = 500;

export class WeightHistory {
  private readonly points = new Map<string, WeightPoint[]>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Takes down the weights of one PcfApi, if they are not those of its last point. */
  note(key: string, asked: number, inForce: number): void {
    const points = this.points.get(key) ?? [];
    const last = points.at(-1);
    if (last?.asked === asked && last.inForce === inForce) return;
    points.push({ at: this.now(), asked, inForce });
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
