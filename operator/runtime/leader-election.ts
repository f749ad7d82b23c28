/**
 * Leader election with a Lease, like client-go: the process that renews it is the leader. A standby acquires
 * it after it has not observed a change for the lease duration, by its own clock. Fencing: a leader counts
 * from the *start* of its last successful renewal and stops writing at `renewDeadlineMs`, which is shorter
 * than `leaseDurationMs`. Therefore it has stopped before another process can acquire the Lease, even if it
 * was paused in between.
 */
import type { Logger } from 'pino';
import { type Clock, pause, systemClock } from './clock.js';
import { isConflict, isNotFound, type KubeClient } from './kube-client.js';
import { heldBy, type Lease, LeaseKind, released } from './lease.js';

/** Defaults of client-go, in milliseconds. */
export interface LeaderElectionOptions {
  namespace: string;
  name: string;
  /** Unique per process, also after a restart. */
  identity: string;
  /**
   * Processes with the same identity hold the Lease together, and keep others from it. None releases it: it expires
   * after the last of them has stopped.
   */
  isShared?: boolean;
  /** Time after the last observed change of the Lease before a standby acquires it. 15 s. */
  leaseDurationMs?: number;
  /** Time after the last renewal before the leader stops writing. 10 s; less than the lease duration. */
  renewDeadlineMs?: number;
  /** Time between two attempts. 2 s. */
  retryPeriodMs?: number;
  clock?: Clock;
}

export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError';
  constructor() {
    super('this process is not the leader and must not write');
  }
}

/** Timeout of releasing the Lease at shutdown. */
const RELEASE_TIMEOUT_MS = 3_000;

export class LeaderElector {
  private readonly timing: { leaseDurationMs: number; renewDeadlineMs: number; retryPeriodMs: number };
  private readonly clock: Clock;
  /** Monotonic time until which this process is the leader; 0 if it is not. */
  private leadsUntil = 0;
  private term = new AbortController();
  private cancelDeadline = () => {};
  private renewing: Promise<void> = Promise.resolve();
  private renewingFor: AbortSignal | undefined;
  private readonly ending = new AbortController();
  /** The last observed Lease, when this version was first observed, and when the request for it started. */
  private observed: { lease: Lease; at: number; readAt: number } | undefined;

  constructor(
    private readonly client: KubeClient,
    private readonly options: LeaderElectionOptions,
    private readonly logger: Logger,
  ) {
    const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
    if (!(retryPeriodMs < renewDeadlineMs && renewDeadlineMs < leaseDurationMs))
      throw new RangeError('leader election needs retryPeriodMs < renewDeadlineMs < leaseDurationMs');
    this.timing = { leaseDurationMs, renewDeadlineMs, retryPeriodMs };
    this.clock = options.clock ?? systemClock;
  }

  /** Name of the Lease. */
  get name(): string {
    return this.options.name;
  }

  /** True only while no other process can hold the Lease. */
  isLeader(): boolean {
    return this.clock.now() < this.leadsUntil;
  }

  /** Throws {@link NotLeaderError} unless {@link isLeader}. */
  guard(): void {
    if (!this.isLeader()) throw new NotLeaderError();
  }

  /**
   * Fires with a {@link NotLeaderError} when the current term ends. Read it again after each {@link acquire}.
   */
  get signal(): AbortSignal {
    return this.term.signal;
  }

  /** Resolves when this process is the leader; rejects if the signal fires first. */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (!(await this.tryAcquire())) {
      await pause(this.clock, this.timing.retryPeriodMs * (1 + 0.2 * Math.random()), signal);
      signal.throwIfAborted();
    }
  }

  /** One attempt to acquire the Lease. Returns whether this process is the leader. */
  async tryAcquire(): Promise<boolean> {
    await this.tryOnce();
    if (!this.isLeader()) return false;
    const { identity, name } = this.options;
    this.logger.info({ identity, lease: name }, 'became leader');
    return true;
  }

  /**
   * Renews the Lease. Resolves when it is lost or the signal fires. In the latter case it is renewed until
   * {@link release}, for the last writes.
   */
  async hold(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.term.signal]);
    if (!this.isLeader() || either.aborted) return;
    if (this.renewingFor !== this.term.signal) {
      this.renewingFor = this.term.signal;
      this.renewing = this.renew(this.term.signal);
    }
    await new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }));
  }

  /** Releases the Lease, so that a standby can acquire it immediately. Call it after the last write. */
  async release(): Promise<void> {
    this.ending.abort();
    await this.renewing;
    if (!this.isLeader()) return;
    this.lose();
    if (this.options.isShared) return;
    try {
      await this.timed(RELEASE_TIMEOUT_MS, async (signal) => {
        const lease = await this.read(signal);
        if (lease?.spec.holderIdentity !== this.options.identity) return;
        await this.client.replace(LeaseKind, released(lease), signal);
      });
    } catch (error) {
      this.logger.debug({ err: error }, 'releasing the lease failed');
    }
  }

  private async renew(term: AbortSignal): Promise<void> {
    const until = AbortSignal.any([term, this.ending.signal]);
    for (;;) {
      await pause(this.clock, this.timing.retryPeriodMs, until);
      if (until.aborted) return;
      // The process was paused, and the timer that ends the term is late: a renewal must not start another one.
      if (!this.isLeader()) return this.lose();
      await this.tryOnce();
    }
  }

  /** Acquires or renews the Lease if possible. */
  private async tryOnce(): Promise<void> {
    const startedAt = this.clock.now();
    const wasLeader = this.isLeader();
    try {
      // A hanging request must leave time for another one before the deadline.
      const renewedAt = await this.timed(this.timing.renewDeadlineMs / 2, (signal) =>
        this.write(startedAt, signal),
      );
      if (renewedAt === undefined) return this.lose();
      // A term that ended while the request was in progress stays ended, because its end was already
      // reported.
      if (wasLeader && !this.isLeader()) return;
      this.leadFrom(renewedAt);
    } catch (error) {
      if (!isConflict(error)) this.logger.warn({ err: error }, 'renewing the lease failed');
      else if (this.isLeader() && !this.options.isShared) this.observed = undefined;
    }
  }

  /** Returns a time that is not later than the last renewal; undefined if another process holds the Lease. */
  private async write(startedAt: number, signal: AbortSignal): Promise<number | undefined> {
    const { namespace, name, identity, isShared } = this.options;
    const { leaseDurationMs } = this.timing;
    const before = this.observed;
    // Only the leader writes the Lease, so its version is cached. After a conflict the next attempt reads it.
    const known = this.isLeader() && !isShared ? before?.lease : undefined;
    const lease = known ?? (await this.read(signal));
    if (!lease) {
      const { group, version, kind } = LeaseKind;
      const empty = { apiVersion: `${group}/${version}`, kind, metadata: { namespace, name }, spec: {} };
      const ours = heldBy(identity, leaseDurationMs, empty);
      this.observe((await this.client.create(LeaseKind, ours, { signal })) as Lease, startedAt);
      return startedAt;
    }
    if (!this.observe(lease, startedAt)) return undefined;
    // A process with the same identity has renewed it since the last attempt. So one write per period is enough for
    // all, and their conflicts delay no renewal.
    if (isShared && lease.spec.holderIdentity === identity && before && this.observed !== before)
      return before.readAt;
    const ours = heldBy(identity, leaseDurationMs, lease);
    this.observe((await this.client.replace(LeaseKind, ours, signal)) as Lease, startedAt);
    return startedAt;
  }

  /** Records a Lease that was read, and when the read started. Returns whether this process may acquire it. */
  observe(lease: Lease, readAt = this.clock.now()): boolean {
    if (this.observed?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion)
      this.observed = { lease, at: this.clock.now(), readAt };
    return !this.isTaken(lease);
  }

  /** Held by another process that renewed it within its duration, according to the observed change. */
  private isTaken({ spec: { holderIdentity, leaseDurationSeconds } }: Lease): boolean {
    if (!holderIdentity || holderIdentity === this.options.identity) return false;
    const durationMs = leaseDurationSeconds ? leaseDurationSeconds * 1000 : this.timing.leaseDurationMs;
    return this.clock.now() - this.observed!.at < durationMs;
  }

  private leadFrom(startedAt: number): void {
    const until = startedAt + this.timing.renewDeadlineMs;
    const leftMs = until - this.clock.now();
    if (leftMs <= 0) return;
    if (this.term.signal.aborted) this.term = new AbortController();
    this.leadsUntil = until;
    this.cancelDeadline();
    this.cancelDeadline = this.clock.after(leftMs, () => this.lose());
  }

  private lose(): void {
    this.cancelDeadline();
    if (this.leadsUntil === 0) return;
    this.leadsUntil = 0;
    if (!this.ending.signal.aborted) this.logger.warn({ lease: this.options.name }, 'lost leadership');
    this.term.abort(new NotLeaderError());
  }

  private async read(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      const { namespace, name } = this.options;
      return (await this.client.get(LeaseKind, namespace, name, signal)) as Lease;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private async timed<T>(ms: number, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const cancel = this.clock.after(ms, () => late.abort(new Error(`no response within ${ms} ms`)));
    try {
      return await act(late.signal);
    } finally {
      cancel();
    }
  }
}
