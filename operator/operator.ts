/**
 * The operator: watches add keys of PcfApis to a work queue, workers reconcile them.
 *
 * It uses the lifecycle (kubeconfig, init, start, stop) and the event types of
 * @dot-i/k8s-operator. It does not use its watch, which starts without a resourceVersion,
 * never relists, has one serial queue, and exits on the first error.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import dotI from '@dot-i/k8s-operator';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { analysisMetrics } from './analysis/analysis-metrics.js';
import { FIELD_MANAGER } from './api/v1alpha1/pcfapi.js';
import type { LinkService } from './approvals/link-service.js';
import { notifyMetrics } from './notify/notification-metrics.js';
import { createLinks, createPages, type Page } from './pages.js';
import { Caches } from './reconciler/caches.js';
import { DeliveryMetrics } from './reconciler/delivery-metrics.js';
import { enqueueOnEvents, startResync } from './reconciler/enqueue.js';
import { OwnedKeys } from './reconciler/owned-keys.js';
import { Metrics } from './reconciler/pcfapi-metrics.js';
import { inReconcileSpan, inRequestSpan } from './reconciler/reconcile-span.js';
import type { ReconcileResult } from './reconciler/reconciler.js';
import { CacheSet } from './runtime/cache-set.js';
import { Controller } from './runtime/controller.js';
import { clientMetrics, leaderMetrics } from './runtime/controller-metrics.js';
import { HttpServer } from './runtime/http-server.js';
import { KubeClient, type KubeClientOptions } from './runtime/kube-client.js';
import { LeaderElector } from './runtime/leader-election.js';
import { TokenBucket } from './runtime/rate-limiter.js';
import { ShardOwner, type ShardWork } from './runtime/shard-owner.js';
import { shardOf } from './runtime/sharding.js';
import { keyOf, partsOf } from './runtime/store.js';
import type { OperatorSettings } from './settings.js';
import { Shard } from './shard.js';

/** Caches that synced this recently are not renewed when the process becomes the owner of a shard. */
const FRESH_MS = 1_000;

export class PcfOperator extends dotI.default {
  private readonly registry = new Registry();
  private readonly stopping = new AbortController();
  private readonly watching = new AbortController();
  private readonly identity = `${hostname()}_${randomUUID().slice(0, 8)}`;
  /** For watches and Leases, which do not wait for --kube-api-qps. */
  private readonly reader: KubeClient;
  /** Options of the clients for writes, which only the owner of a shard may perform. */
  private readonly writes: KubeClientOptions;
  /**
   * Held by the leader or, with several shards, by all processes with this number of shards together: processes with
   * another number, or without shards, wait until it expires. Otherwise a PcfApi would have two owners.
   */
  private readonly elector: LeaderElector;
  /** Undefined with one shard, which belongs to the leader. */
  private readonly owner: ShardOwner | undefined;
  /** Shards that this process reconciles. */
  private readonly shards = new Map<number, Shard>();
  private readonly cacheSet: CacheSet;
  private readonly caches: Caches;
  private readonly metrics: Metrics;
  private readonly shardMetrics: ReturnType<typeof metricsOfShards>;
  private readonly links: LinkService | undefined;
  private readonly controller: Controller;
  private readonly keys: OwnedKeys;
  private readonly http: HttpServer;
  private readonly pages: readonly Page[];
  private resync: NodeJS.Timeout | undefined;
  private synced = false;
  private syncedAt = 0;

  constructor(
    private readonly settings: OperatorSettings,
    private readonly log: Logger,
  ) {
    super(messagesTo(log));
    collectDefaultMetrics({ register: this.registry });
    const requests = clientMetrics(this.registry, this.kubeConfig.getCurrentCluster()?.server ?? '');
    const { kubeApiQps, kubeApiBurst } = settings;
    const reads = { userAgent: `${FIELD_MANAGER} (${this.identity})`, onRequest: requests.requested };
    this.reader = new KubeClient(this.kubeConfig, reads);
    this.writes = {
      ...reads,
      onThrottle: requests.throttled,
      limiter: kubeApiQps > 0 ? new TokenBucket(kubeApiQps, kubeApiBurst) : undefined,
      inRequestSpan,
    };
    this.elector = this.createElector();
    this.owner = settings.shards > 1 ? this.createOwner() : undefined;
    leaderMetrics(this.registry, () => this.owner?.states() ?? [[FIELD_MANAGER, this.isLeader()]]);
    this.cacheSet = new CacheSet(this.reader, log);
    this.caches = new Caches(this.cacheSet, settings.namespaces, settings.clusterWindows);
    this.metrics = new Metrics(this.registry);
    this.shardMetrics = metricsOfShards(this.registry);
    const { reader, caches, registry } = this;
    this.links = createLinks({ settings, client: reader, caches, registry, logger: log });
    this.controller = this.createController();
    this.keys = new OwnedKeys(
      this.controller.queue,
      (key) => this.shardFor(key) !== undefined,
      (key) => this.caches.pcfApis.get(...partsOf(key)) !== undefined,
    );
    this.http = this.createHttpServer();
    this.pages = createPages({ settings, reader, caches, links: this.links, logger: log });
  }

  /** Starts watches, waits for the Lease, reconciles. Resolves after {@link stop} when the shutdown is complete. */
  override async start(): Promise<void> {
    await super.start();
    try {
      if (this.settings.leaderElection) await this.elector.acquire(this.stopping.signal);
      const leading = this.lead();
      this.controller.start();
      this.resync = startResync(this.settings.resyncMs, this.caches, this.keys);
      await (this.owner ? this.shareShards(this.owner, leading) : this.workAlone(leading));
    } catch (error) {
      if (!this.stopping.signal.aborted) throw error;
    } finally {
      await this.shutDown();
    }
  }

  /** Requests a graceful shutdown. */
  override stop(): void {
    this.stopping.abort();
  }

  /** Starts the watches and waits until all caches are synced. Standbys do so too, so that a failover needs no sync. */
  protected override async init(): Promise<void> {
    const port = await this.http.listen();
    this.log.info({ port, identity: this.identity }, 'starting operator');
    for (const page of this.pages) await page.listen();
    enqueueOnEvents({
      caches: this.caches,
      queue: this.keys,
      onEdit: (key) => {
        if (this.shardFor(key)) this.metrics.edited(key);
      },
    });
    this.cacheSet.start(this.watching.signal);
    await Promise.race([this.cacheSet.synced(), aborted(this.stopping.signal)]);
    this.synced = true;
    this.syncedAt = performance.now();
    this.log.info({ pcfApis: this.caches.pcfApis.list().length }, 'caches synced');
  }

  private async workAlone(leading: Promise<void>): Promise<void> {
    const work = this.startShard(0, this.settings.leaderElection ? [this.elector] : []);
    try {
      await leading;
    } finally {
      await work.stop();
    }
  }

  private async shareShards(owner: ShardOwner, leading: Promise<void>): Promise<void> {
    const ending = new AbortController();
    const sharing = owner.run(ending.signal);
    try {
      await Promise.race([sharing, leading]);
    } finally {
      ending.abort();
      await sharing.catch(() => {});
    }
  }

  /** Reconciles the PcfApis of a shard. `electors`: the Leases on which it depends. */
  private startShard(number: number, electors: readonly LeaderElector[]): ShardWork {
    const shard = this.createShard(electors);
    let isStopped = false;
    void this.renewCaches().then(() => {
      if (isStopped) return;
      this.shards.set(number, shard);
      const keys = this.caches.pcfApis.list().map(keyOf);
      this.keys.addAll(keys.filter((key) => this.shardFor(key) === shard));
    });
    return {
      stop: () => {
        isStopped = true;
        this.shards.delete(number);
        return shard.stop();
      },
    };
  }

  private shardFor(key: string): Shard | undefined {
    return this.shards.get(shardOf(key, this.settings.shards));
  }

  /**
   * A watch of a standby can fail silently. Its plan would be based on an old spec and status, and revert
   * writes of the previous owner. Therefore a new owner lists PcfApis again.
   */
  private async renewCaches(): Promise<void> {
    const startedAt = performance.now();
    if (startedAt - this.syncedAt < FRESH_MS) return;
    await this.caches.pcfApis.renew();
    this.syncedAt = startedAt;
  }

  private isLeader(): boolean {
    return !this.settings.leaderElection || this.elector.isLeader();
  }

  private async lead(): Promise<void> {
    if (!this.settings.leaderElection) return aborted(this.stopping.signal);
    await this.elector.hold(this.stopping.signal);
    // Another process is the leader. This process must not write concurrently: it exits and restarts.
    if (!this.stopping.signal.aborted) throw new Error('lost the Lease: another process is the leader');
  }

  private async shutDown(): Promise<void> {
    this.log.info('stopping operator');
    clearInterval(this.resync);
    void this.controller.stop(); // the shards have awaited its reconciles
    await this.elector.release();
    this.watching.abort();
    await this.cacheSet.stopped();
    for (const page of this.pages) await page.close();
    await this.http.close();
    await this.reader.close();
  }

  private createElector(): LeaderElector {
    const { shards } = this.settings;
    const shared = { identity: `shards-${shards}`, isShared: true };
    const lease = { ...this.leaseOptions(), ...(shards > 1 ? shared : {}) };
    return new LeaderElector(this.reader, lease, this.log);
  }

  private createOwner(): ShardOwner {
    const start = (shard: number, elector: LeaderElector) => this.startShard(shard, [this.elector, elector]);
    const { shards } = this.settings;
    return new ShardOwner(this.reader, { ...this.leaseOptions(), shards, start }, this.log);
  }

  private leaseOptions() {
    const { leaseNamespace: namespace, leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.settings;
    const { identity } = this;
    return { namespace, name: FIELD_MANAGER, identity, leaseDurationMs, renewDeadlineMs, retryPeriodMs };
  }

  private createShard(electors: readonly LeaderElector[]): Shard {
    const { kubeConfig, reader, writes, identity, caches, links, metrics, log: logger } = this;
    return new Shard({
      ...{ kubeConfig, reader, writes, identity, caches, links, metrics, logger, clock, electors },
      ...this.shardMetrics,
      enqueue: (key, priority = 'normal') => this.keys.add(key, priority),
    });
  }

  private createController(): Controller {
    return new Controller({
      name: 'pcfapi',
      workers: this.settings.concurrency,
      reconcile: (key) => inReconcileSpan(key, this.caches, () => this.reconcile(key)),
      logger: this.log,
      registry: this.registry,
    });
  }

  private async reconcile(key: string): Promise<ReconcileResult> {
    return this.shardFor(key)?.reconcile(key) ?? {};
  }

  private createHttpServer(): HttpServer {
    const { host, port } = this.settings;
    const watches = () => {
      const silent = this.cacheSet.silent();
      return silent.length > 0 ? `silent: ${silent.join(', ')}` : undefined;
    };
    return new HttpServer({
      host,
      port,
      registry: this.registry,
      live: { reconciles: () => this.controller.problem() },
      ready: { sync: () => (this.synced ? undefined : 'caches not synced'), watches },
    });
  }
}

/** Monotonic: a change of the system clock does not end a hold or a deadline. */
function clock(): number {
  return Math.round(performance.timeOrigin + performance.now());
}

/** Registered once: the shards of a process share them. */
function metricsOfShards(registry: Registry) {
  return {
    deliveryMetrics: new DeliveryMetrics(registry),
    analysisMetrics: analysisMetrics(registry),
    notifyMetrics: notifyMetrics(registry),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function messagesTo(log: Logger) {
  return {
    debug: (message: string) => log.debug(message),
    info: (message: string) => log.info(message),
    warn: (message: string) => log.warn(message),
    error: (message: string) => log.error(message),
  };
}
