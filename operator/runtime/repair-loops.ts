/**
 * Detects repair loops: another field manager reverts each repair of an object, because two controllers treat
 * the writes of each other as drift. Repairs are then delayed, and the field manager is reported.
 */
import { type BackoffPolicy, backoffMs } from './backoff.js';

/** Another field manager that reverts repairs of the operator. */
export interface RepairLoop {
  /** `kind/name` of the object. */
  object: string;
  manager: string;
  fields: string[];
}

export interface RepairLoopPolicy {
  /** Consecutive repairs, each within `resetAfterMs` of the previous one, that count as a repair loop. */
  repairs: number;
  /** A repair loop ends after this time without a repair. */
  resetAfterMs: number;
  /** Delay before each further repair. */
  pause: BackoffPolicy;
}

/**
 * Five manual edits are reverted immediately; a controller that reverts each repair is repaired at most every
 * 30 s.
 */
export const defaultRepairLoopPolicy: RepairLoopPolicy = {
  repairs: 5,
  resetAfterMs: 90_000,
  pause: { baseMs: 1_000, maxMs: 30_000, jitter: 0 },
};

interface TrackedRepairs extends RepairLoop {
  repairs: number;
  lastAt: number;
}

export class RepairLoopTracker {
  /** By owner, then by object and manager. */
  private readonly tracked = new Map<string, Map<string, TrackedRepairs>>();

  constructor(
    private readonly policy: RepairLoopPolicy = defaultRepairLoopPolicy,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Milliseconds until the change of this manager may be reverted; 0: now. */
  waitMs(owner: string, object: string, manager: string): number {
    const tracked = this.recent(owner).find((it) => it.object === object && it.manager === manager);
    if (!tracked || tracked.repairs < this.policy.repairs) return 0;
    const pauseMs = backoffMs(tracked.repairs - this.policy.repairs + 1, this.policy.pause);
    return Math.max(0, tracked.lastAt + pauseMs - this.now());
  }

  /** Records a repair. */
  repaired(owner: string, { object, manager, fields }: RepairLoop): void {
    const before = this.recent(owner).find((it) => it.object === object && it.manager === manager);
    const mine = this.tracked.get(owner) ?? new Map<string, TrackedRepairs>();
    const repairs = (before?.repairs ?? 0) + 1;
    mine.set(`${object} ${manager}`, { object, manager, fields, repairs, lastAt: this.now() });
    this.tracked.set(owner, mine);
  }

  loopsOf(owner: string): RepairLoop[] {
    return this.recent(owner)
      .filter(({ repairs }) => repairs >= this.policy.repairs)
      .map(({ object, manager, fields }) => ({ object, manager, fields }));
  }

  /**
   * Milliseconds until the first repair loop of this owner ends without a further repair; undefined without a
   * repair loop.
   */
  endsInMs(owner: string): number | undefined {
    const ends = this.recent(owner)
      .filter(({ repairs }) => repairs >= this.policy.repairs)
      .map(({ lastAt }) => lastAt + this.policy.resetAfterMs - this.now());
    return ends.length > 0 ? Math.max(1, ...ends) : undefined;
  }

  forget(owner: string): void {
    this.tracked.delete(owner);
  }

  private recent(owner: string): TrackedRepairs[] {
    const mine = this.tracked.get(owner);
    if (!mine) return [];
    for (const [key, { lastAt }] of mine) {
      if (this.now() - lastAt >= this.policy.resetAfterMs) mine.delete(key);
    }
    if (mine.size === 0) this.tracked.delete(owner);
    return [...mine.values()];
  }
}
