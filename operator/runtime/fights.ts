/**
 * Notices when an object of ours is changed back by the same field manager again and
 * again: two controllers that each hold the other's work for drift. Nobody can win
 * that, so the repairs come ever more slowly, and it can be told who is at it.
 */
import { type BackoffPolicy, backoffMs } from './backoff.js';

export interface Fight {
  /** `kind/name` of the object. */
  object: string;
  manager: string;
  fields: string[];
}

export interface FightPolicy {
  /** Repairs in a row, each within `calmMs` of the last, that make a fight of it. */
  repairs: number;
  /** Without a repair for so long, it is over. */
  calmMs: number;
  /** Pause before each further repair. */
  pause: BackoffPolicy;
}

/** One who edits by hand is put back at once five times; a controller, which comes back each time, at most every 30 s. */
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

  /** Milliseconds until this manager's change of the object may be put back; 0: now. */
  waitMs(owner: string, object: string, manager: string): number {
    const contest = this.recent(owner).find((it) => it.object === object && it.manager === manager);
    if (!contest || contest.repairs < this.policy.repairs) return 0;
    const pauseMs = backoffMs(contest.repairs - this.policy.repairs + 1, this.policy.pause);
    return Math.max(0, contest.lastAt + pauseMs - this.now());
  }

  /** Takes note of a repair. */
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

  /** Milliseconds until the first fight of this owner is over if nothing happens; undefined: there is none. */
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
