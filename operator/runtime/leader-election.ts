/**
 * Leader election on a Lease, after client-go: whoever renews it leads; others take
 * it over once they have seen it unchanged for its whole duration, by their own clock.
 *
 * Fencing: a leader counts from the *start* of its last successful renewal and stops
 * writing at `renewDeadlineMs`, which is shorter than `leaseDurationMs`, so it has
 * stopped before anyone else can begin - also when it was paused and wakes up again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  isConflict,
  isNotFound,
  type KubeClient,
  type KubeObject,
  type ResourceType,
} from './kube-client.js';

const LeaseKind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

interface Lease extends KubeObject {
  spec: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaderElectionOptions {
  namespace: string;
  name: string;
  identity: string;
  leaseDurationMs?: number;
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
}

export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError';
  constructor() {
    super('this process is not the leader and must not write');
  }
}

export class LeaderElector {
  private readonly timing: { leaseDurationMs: number; renewDeadlineMs: number; retryPeriodMs: number };
  /** Monotonic time until which we lead; 0 when we do not. */
  private leadsUntil = 0;
  private observed: { version: string; at: number } | undefined;

  constructor(
    private readonly client: KubeClient,
    private readonly options: LeaderElectionOptions,
    private readonly logger: Logger,
  ) {
    const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2_000 } = options;
    this.timing = { leaseDurationMs, renewDeadlineMs, retryPeriodMs };
  }

  /** True only while no other process can have the Lease. */
  isLeader(): boolean {
    return performance.now() < this.leadsUntil;
  }

  /** Throws {@link NotLeaderError} unless {@link isLeader}. */
  guard(): void {
    if (!this.isLeader()) throw new NotLeaderError();
  }

  /** Resolves when this process leads; rejects when the signal fires first. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!(await this.tryOnce())) {
      await sleep(this.timing.retryPeriodMs * (1 + 0.2 * Math.random()), undefined, { signal });
    }
    this.logger.info({ identity: this.options.identity }, 'this process leads');
  }

  /** Keeps the Lease; resolves when it is lost or the signal fires. */
  async hold(signal: AbortSignal): Promise<void> {
    while (this.isLeader() && !signal.aborted) {
      await sleep(this.timing.retryPeriodMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await this.tryOnce();
    }
  }

  /** Gives the Lease back, so that the next leader need not wait for it to run out. Call after the last write. */
  async release(): Promise<void> {
    if (!this.isLeader()) return;
    this.leadsUntil = 0;
    const signal = this.patience();
    try {
      const lease = await this.read(signal);
      if (lease?.spec.holderIdentity !== this.options.identity) return;
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
      await this.client.replace(LeaseKind, { ...lease, spec }, signal);
    } catch (error) {
      this.logger.debug({ err: error }, 'the lease could not be released and will run out');
    }
  }

  /** Takes or renews the Lease; false when it is somebody else's or the API server can't be reached. */
  private async tryOnce(): Promise<boolean> {
    const startedAt = performance.now();
    const signal = this.patience();
    try {
      const lease = await this.read(signal);
      if (!lease) await this.client.create(LeaseKind, this.ourLease(), { signal });
      else if (this.isTaken(lease)) return this.lost();
      else this.observe(await this.client.replace(LeaseKind, this.renewed(lease), signal));
      this.leadsUntil = startedAt + this.timing.renewDeadlineMs;
      return true;
    } catch (error) {
      if (isConflict(error)) return this.isLeader();
      this.logger.warn({ err: error }, 'the lease could not be renewed');
      return this.isLeader();
    }
  }

  private lost(): false {
    if (this.leadsUntil > 0) this.logger.warn('another process took the lease');
    this.leadsUntil = 0;
    return false;
  }

  /** One request that is never answered must not cost the lease, nor keep us from noticing that it is lost. */
  private patience(): AbortSignal {
    return AbortSignal.timeout(this.timing.renewDeadlineMs / 2);
  }

  private async read(signal: AbortSignal): Promise<Lease | undefined> {
    const { namespace, name } = this.options;
    try {
      return (await this.client.get(LeaseKind, namespace, name, signal)) as Lease;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Held by another that renewed it within its duration, measured by when *we* saw it change. */
  private isTaken(lease: Lease): boolean {
    const { holderIdentity, leaseDurationSeconds } = lease.spec;
    this.observe(lease);
    if (!holderIdentity || holderIdentity === this.options.identity) return false;
    const durationMs = leaseDurationSeconds ? leaseDurationSeconds * 1000 : this.timing.leaseDurationMs;
    return performance.now() - this.observed!.at < durationMs;
  }

  private observe(lease: KubeObject): void {
    const version = lease.metadata.resourceVersion ?? '';
    if (this.observed?.version !== version) this.observed = { version, at: performance.now() };
  }

  private ourLease(): Lease {
    const { namespace, name } = this.options;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: this.ourSpec(0, now()),
    };
  }

  private renewed(lease: Lease): Lease {
    const ours = lease.spec.holderIdentity === this.options.identity;
    const transitions = (lease.spec.leaseTransitions ?? 0) + (ours ? 0 : 1);
    return { ...lease, spec: this.ourSpec(transitions, ours ? (lease.spec.acquireTime ?? now()) : now()) };
  }

  private ourSpec(leaseTransitions: number, acquireTime: string): Lease['spec'] {
    const leaseDurationSeconds = Math.ceil(this.timing.leaseDurationMs / 1000);
    const holderIdentity = this.options.identity;
    return { holderIdentity, leaseDurationSeconds, acquireTime, renewTime: now(), leaseTransitions };
  }
}

/** metav1.MicroTime. */
function now(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
