/**
 * Shares shards between processes: a Lease per shard, and one per process, which shows the others that it takes part.
 * A process below its quota acquires shards without an owner; above it, it finishes the work of a shard and releases
 * its Lease. Expiry is observed by the local clock, as in leader election: clocks of machines are not compared.
 */
import type { Logger } from 'pino';
import { pause, systemClock, within } from './clock.js';
import { isConflict, isForbidden, isNotFound, type KubeClient } from './kube-client.js';
import { LeaderElector } from './leader-election.js';
import { type Lease, LeaseKind } from './lease.js';
import { quotaOf } from './sharding.js';

/** The work of a shard that this process owns. */
export interface ShardWork {
  /** Resolves after the last write. Then the Lease is released. */
  stop(): Promise<void>;
}

export interface ShardOwnerOptions {
  /** Number of shards. All processes must have the same. */
  shards: number;
  /** Prefix of the names of the Leases. */
  name: string;
  namespace: string;
  /** Unique per process, also after a restart. */
  identity: string;
  leaseDurationMs: number;
  renewDeadlineMs: number;
  retryPeriodMs: number;
  /** Called when this process acquired the Lease of a shard. It may write while the elector is the leader. */
  start: (shard: number, elector: LeaderElector) => ShardWork;
}

const LEAVE_DEADLINE_MS = 3_000;
/** Names have at most 253 characters. */
const MAX_SUFFIX = 200;

interface OwnedShard {
  elector: LeaderElector;
  leaving: AbortController;
  /** Resolves when the Lease is released. */
  left: Promise<void>;
}

export class ShardOwner {
  private readonly member: LeaderElector;
  private readonly owned = new Map<number, OwnedShard>();
  /** Electors of the shards of others, which observe the expiry of their Leases. */
  private readonly candidates = new Map<number, LeaderElector>();
  /** When the current version of the Lease of a member was first observed. */
  private readonly observed = new Map<string, { version: string | undefined; at: number }>();
  private readonly lost = Promise.withResolvers<never>();

  constructor(
    private readonly client: KubeClient,
    private readonly options: ShardOwnerOptions,
    private readonly logger: Logger,
  ) {
    this.member = this.elector(`${options.name}-member-${objectName(options.identity)}`);
    this.lost.promise.catch(() => {});
  }

  /** Whether this process owns each shard, by the name of its Lease. */
  *states(): Iterable<[lease: string, isOwner: boolean]> {
    for (let shard = 0; shard < this.options.shards; shard++)
      yield [this.leaseOf(shard), this.owned.get(shard)?.elector.isLeader() ?? false];
  }

  /** Owns shards until the signal fires, then releases all. Rejects if a Lease is lost. */
  async run(signal: AbortSignal): Promise<void> {
    await this.member.acquire(signal);
    void this.member.hold(signal).then(() => {
      if (!signal.aborted) this.lost.reject(new Error('lost the Lease of this process'));
    });
    const ending = new AbortController();
    const balancing = this.balanceUntil(AbortSignal.any([signal, ending.signal]));
    try {
      await Promise.race([balancing, this.lost.promise]);
    } finally {
      ending.abort();
      await balancing.catch(() => {});
      await Promise.all([this.leave(), ...[...this.owned.keys()].map((shard) => this.releaseShard(shard))]);
    }
  }

  private async balanceUntil(signal: AbortSignal): Promise<void> {
    const { retryPeriodMs } = this.options;
    while (!signal.aborted) {
      await this.balance(signal).catch((error: unknown) => {
        if (isForbidden(error)) throw permissionMissing(error);
        if (!signal.aborted) this.logger.warn({ err: error }, 'balancing the shards failed');
      });
      await pause(systemClock, retryPeriodMs * (1 + 0.2 * Math.random()), signal);
    }
  }

  private async balance(signal: AbortSignal): Promise<void> {
    const { namespace, identity, shards, renewDeadlineMs } = this.options;
    const timely = AbortSignal.any([signal, AbortSignal.timeout(renewDeadlineMs / 2)]);
    const { items } = await this.client.list(LeaseKind, { namespace }, timely);
    const leases = new Map(items.map((item) => [item.metadata.name, item as Lease]));
    const quota = quotaOf(identity, await this.countOwned(leases), shards);
    const working = [...this.owned].filter(([, { leaving }]) => !leaving.signal.aborted);
    for (const [shard] of working.slice(quota)) void this.releaseShard(shard);
    let free = quota - working.length;
    for (let shard = 0; shard < shards; shard++) {
      if (this.owned.has(shard)) continue;
      const candidate = this.candidateFor(shard);
      const lease = leases.get(this.leaseOf(shard));
      const isFree = !lease || candidate.observe(lease);
      const mayAcquire = isFree && free > 0 && !signal.aborted && this.member.isLeader();
      if (!mayAcquire || !(await candidate.tryAcquire())) continue;
      this.own(shard, candidate);
      free -= 1;
    }
  }

  /** The number of shards of each process that takes part. */
  private async countOwned(leases: ReadonlyMap<string, Lease>): Promise<Map<string, number>> {
    const { shards, identity } = this.options;
    const members = [...leases.values()].filter(({ metadata }) =>
      metadata.name.startsWith(this.memberPrefix),
    );
    const owned = new Map([[identity, 0]]);
    for (const lease of members) {
      if (this.isRenewed(lease)) owned.set(lease.spec.holderIdentity!, 0);
      else await this.remove(lease);
    }
    for (let shard = 0; shard < shards; shard++) {
      const owner = leases.get(this.leaseOf(shard))?.spec.holderIdentity ?? '';
      const count = owned.get(owner);
      if (count !== undefined) owned.set(owner, count + 1);
    }
    for (const name of this.observed.keys()) if (!leases.has(name)) this.observed.delete(name);
    return owned;
  }

  private isRenewed({ metadata: { name, resourceVersion }, spec }: Lease): boolean {
    if (!spec.holderIdentity) return false;
    const now = systemClock.now();
    const known = this.observed.get(name);
    if (known?.version !== resourceVersion) this.observed.set(name, { version: resourceVersion, at: now });
    else return now - known!.at < (spec.leaseDurationSeconds ?? 0) * 1_000;
    return true;
  }

  /** A member that crashed. The precondition protects one that renewed its Lease in the meantime. */
  private async remove({ metadata: { namespace, name, uid, resourceVersion } }: Lease): Promise<void> {
    const removal = this.client.delete(LeaseKind, namespace, name, { uid, resourceVersion });
    await removal.catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
  }

  private own(shard: number, elector: LeaderElector): void {
    this.candidates.delete(shard);
    const leaving = new AbortController();
    this.owned.set(shard, { elector, leaving, left: this.work(shard, elector, leaving.signal) });
  }

  private async work(shard: number, elector: LeaderElector, leaving: AbortSignal): Promise<void> {
    const held = elector.hold(leaving);
    const work = this.options.start(shard, elector);
    await held;
    if (!leaving.aborted) this.lost.reject(new Error(`lost the Lease ${this.leaseOf(shard)}`));
    await work.stop();
    await elector.release();
    this.owned.delete(shard);
    this.logger.info({ shard }, 'released shard');
  }

  private async releaseShard(shard: number): Promise<void> {
    const owned = this.owned.get(shard);
    owned?.leaving.abort();
    await owned?.left;
  }

  /** Deletes the Lease of this process, so that the others own its shards as soon as they are released. */
  private async leave(): Promise<void> {
    await this.member.release();
    const removal = this.client.delete(LeaseKind, this.options.namespace, this.member.name);
    const ended = removal.catch((error: unknown) => {
      this.logger.debug({ err: error }, 'deleting the Lease of this process failed');
    });
    await within(LEAVE_DEADLINE_MS, ended);
  }

  private candidateFor(shard: number): LeaderElector {
    const candidate = this.candidates.get(shard) ?? this.elector(this.leaseOf(shard));
    this.candidates.set(shard, candidate);
    return candidate;
  }

  private elector(name: string): LeaderElector {
    const { namespace, identity, leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.options;
    const lease = { namespace, name, identity, leaseDurationMs, renewDeadlineMs, retryPeriodMs };
    return new LeaderElector(this.client, lease, this.logger);
  }

  private leaseOf(shard: number): string {
    return `${this.options.name}-shard-${shard}`;
  }

  private get memberPrefix(): string {
    return `${this.options.name}-member-`;
  }
}

/** Host names can have upper case letters, and identities an underscore. */
function objectName(identity: string): string {
  return identity
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .slice(-MAX_SUFFIX);
}

function permissionMissing(cause: unknown): Error {
  const needs = 'the Role of the operator in its namespace must allow get, list, create, update and delete';
  return new Error(`--shards: may not access Leases; ${needs} of leases`, { cause });
}
