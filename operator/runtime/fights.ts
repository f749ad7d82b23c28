/**
 * Detects repair loops: another field manager reverts each repair of an object, because two controllers treat
 * the writes of each other as drift. Repairs are then delayed, and the field manager is reported.
 */
import { type BackoffPolicy, backoffMs } from './backoff.js';

export interface Fight {
  /** `kind/name` of the object. */
  object: string;
  manager: string;
  fields: string[];
}

export interface FightPolicy {
  /** Consecutive repairs, each within `calmMs` of the previous one, that count as a repair loop. */
  repairs: number;
  /** A repair loop ends after this time without a repair. */
  calmMs: number;
  /** Delay before each further repair. */
  pause: BackoffPolicy;
}

/**
 * Five manual edits are reverted immediately; a controller that reverts each repair is repaired at most every
 * 30 s.
 */
export const defaultFightPolicy: FightPolicy = {
  repairs: 5,
  calmMs: 90_000,
  pause: { baseMs: 1_000, maxMs: 30_000, jitter: 0 },
};

interface Contest extends Fight {
  repairs: number;
  lastAt: number;
}

export class FightTracker {
  /** By owner, then by object and manager. */
  private readonly contests = new Map<string, Map<string, Contest>>();

  constructor(
    private readonly policy: FightPolicy = defaultFightPolicy,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Milliseconds until the change of this manager may be reverted; 0: now. */
  waitMs(owner: string, object: string, manager: string): number {
    const contest = this.recent(owner).find((it) => it.object === object && it.manager === manager);
    if (!contest || contest.repairs < this.policy.repairs) return 0;
    const pauseMs = backoffMs(contest.repairs - this.policy.repairs + 1, this.policy.pause);
    return Math.max(0, contest.lastAt + pauseMs - this.now());
  }

  /** Records a repair. */
  repaired(owner: string, { object, manager, fields }: Fight): void {
    const before = this.recent(owner).find((it) => it.object === object && it.manager === manager);
    const mine = this.contests.get(owner) ?? new Map<string, Contest>();
    const repairs = (before?.repairs ?? 0) + 1;
    mine.set(`${object} ${manager}`, { object, manager, fields, repairs, lastAt: this.now() });
    this.contests.set(owner, mine);
  }

  fightsOf(owner: string): Fight[] {
    return this.recent(owner)
      .filter(({ repairs }) => repairs >= this.policy.repairs)
      .map(({ object, manager, fields }) => ({ object, manager, fields }));
  }

  /**
   * Milliseconds until the first repair loop of this owner ends without a further repair; undefined without a
   * repair loop.
   */
  calmInMs(owner: string): number | undefined {
    const ends = this.recent(owner)
      .filter(({ repairs }) => repairs >= this.policy.repairs)
      .map(({ lastAt }) => lastAt + this.policy.calmMs - this.now());
    return ends.length > 0 ? Math.max(1, ...ends) : undefined;
  }

  forget(owner: string): void {
    this.contests.delete(owner);
  }

  private recent(owner: string): Contest[] {
    const mine = this.contests.get(owner);
    if (!mine) return [];
    for (const [key, { lastAt }] of mine) {
      if (this.now() - lastAt >= this.policy.calmMs) mine.delete(key);
    }
    if (mine.size === 0) this.contests.delete(owner);
    return [...mine.values()];
  }
}
