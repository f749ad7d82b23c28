/**
 * The operator: watches add keys of PcfApis to a work queue, workers reconcile them.
 *
 * It uses the lifecycle (kubeconfig, init, start, stop) and the event types of
 * @dot-i/k8s-operator. It does not use its watch, which starts without a resourceVersion,
 * never relists, has one serial queue, and exits on the first error.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import dotI from '@dot-i/k8s-operator';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { Analyst } from './analysis/analyst.js';
import { FreezeQueries } from './analysis/freeze-queries.js';
import { FIELD_MANAGER, GROUP } from './api/v1alpha1/pcfapi.js';
import type { LinkService } from './approvals/link-service.js';
import { BackgroundWork } from './background-work.js';
import { FinishedJobs } from './migrations/finished-jobs.js';
import { createLinks, createPages, type Page } from './pages.js';
import { Actor } from './reconciler/act.js';
import { Caches } from './reconciler/caches.js';
import { DeliveryMetrics } from './reconciler/delivery-metrics.js';
import { enqueueOnEvents, startResync } from './reconciler/enqueue.js';
import { Metrics } from './reconciler/pcfapi-metrics.js';
import { inReconcileSpan, inRequestSpan } from './reconciler/reconcile-span.js';
import { Reconciler } from './reconciler/reconciler.js';
import { SigningKeyWriter } from './reconciler/signing-key-writer.js';
import { Applier } from './runtime/apply.js';
import { CacheSet } from './runtime/cache-set.js';
import { Controller } from './runtime/controller.js';
import { clientMetrics, leaderMetrics } from './runtime/controller-metrics.js';
import { EventRecorder } from './runtime/events.js';
import { HttpServer } from './runtime/http-server.js';
import { KubeClient } from './runtime/kube-client.js';
import { LeaderElector } from './runtime/leader-election.js';
import { TokenBucket } from './runtime/rate-limiter.js';
import type { OperatorSettings } from './settings.js';

/** Maximum duration of running reconciles after a stop was requested. */
const STOP_DEADLINE_MS = 20_000;
const FLUSH_DEADLINE_MS = 2_000;
/** Caches that synced this recently are not renewed when the process becomes leader. */
const FRESH_MS = 1_000;

export class PcfOperator extends dotI.default {
  private readonly registry = new Registry();
  private readonly stopping = new AbortController();
  private readonly watching = new AbortController();
  private readonly identity = `${hostname()}_${randomUUID().slice(0, 8)}`;
  /** For watches and the Lease: neither waits for --kube-api-qps. */
  private readonly reader: KubeClient;
  /** For all writes, which only the leader may perform. */
  private readonly writer: KubeClient;
  private readonly elector: LeaderElector;
  private readonly cacheSet: CacheSet;
  private readonly caches: Caches;
  private readonly events: EventRecorder;
  private readonly metrics: Metrics;
  private readonly links: LinkService | undefined;
  private readonly background: BackgroundWork;
  private readonly controller: Controller;
  private readonly http: HttpServer;
  private readonly pages: readonly Page[];
  private resync: NodeJS.Timeout | undefined;
  private synced = false;
  private syncedAt = 0;
  /** Whether this process reconciles. A standby only watches. */
  private isWorking = false;

  constructor(
    private readonly settings: OperatorSettings,
    private readonly log: Logger,
  ) {
    super(messagesTo(log));
    collectDefaultMetrics({ register: this.registry });
    const requests = clientMetrics(this.registry, this.kubeConfig.getCurrentCluster()?.server ?? '');
    const onRequest = requests.requested;
    const { leaseNamespace: namespace, kubeApiQps, kubeApiBurst } = settings;
    const userAgent = `${FIELD_MANAGER} (${this.identity})`;
    this.reader = new KubeClient(this.kubeConfig, { userAgent, onRequest });
    this.writer = new KubeClient(this.kubeConfig, {
      userAgent,
      onRequest,
      onThrottle: requests.throttled,
      limiter: kubeApiQps > 0 ? new TokenBucket(kubeApiQps, kubeApiBurst) : undefined,
      guardWrite: () => this.guard(),
      writeSignal: () => (settings.leaderElection ? this.elector.signal : undefined),
      inRequestSpan,
    });
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = settings;
    const lease = {
      namespace,
      name: FIELD_MANAGER,
      identity: this.identity,
      leaseDurationMs,
      renewDeadlineMs,
      retryPeriodMs,
    };
    this.elector = new LeaderElector(this.reader, lease, log);
    leaderMetrics(this.registry, FIELD_MANAGER, () => !settings.leaderElection || this.elector.isLeader());
    this.cacheSet = new CacheSet(this.reader, log);
    this.caches = new Caches(this.cacheSet, settings.namespaces, settings.clusterWindows);
    this.events = new EventRecorder(this.writer, `${GROUP}/${FIELD_MANAGER}`, this.identity, log);
    this.metrics = new Metrics(this.registry);
    const { reader, writer, caches, registry } = this;
    this.links = createLinks({ settings, reader, writer, caches, registry, logger: log });
    this.background = this.createBackgroundWork();
    this.controller = this.createController();
    this.http = this.createHttpServer();
    this.pages = createPages({ settings, reader, caches, links: this.links, logger: log });
  }

  /** Starts watches, waits for the Lease, reconciles. Resolves after {@link stop} when the shutdown is complete. */
  override async start(): Promise<void> {
    await super.start();
    try {
      if (this.settings.leaderElection) await this.elector.acquire(this.stopping.signal);
      const leading = this.lead();
      await Promise.race([this.renewCaches(), leading]);
      this.isWorking = true;
      this.controller.start();
      this.resync = startResync(this.settings.resyncMs, this.caches, this.controller.queue);
      await leading;
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
      queue: this.controller.queue,
      isWorking: () => this.isWorking,
      onEdit: (key) => this.metrics.edited(key),
    });
    this.cacheSet.start(this.watching.signal);
    await Promise.race([this.cacheSet.synced(), aborted(this.stopping.signal)]);
    this.synced = true;
    this.syncedAt = performance.now();
    this.log.info({ pcfApis: this.caches.pcfApis.list().length }, 'caches synced');
  }

  /**
   * A watch of a standby can fail silently. Its plan would be based on an old spec and status, and revert
   * writes of the previous leader. Therefore a new leader lists PcfApis again.
   */
  private async renewCaches(): Promise<void> {
    if (performance.now() - this.syncedAt < FRESH_MS) return;
    await this.caches.pcfApis.renew();
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
    this.background.stopMeasuring();
    await within(STOP_DEADLINE_MS, this.controller.stop());
    this.background.stopFollowing();
    await within(FLUSH_DEADLINE_MS, this.background.flush());
    this.background.stopSending();
    await within(FLUSH_DEADLINE_MS, this.events.flush());
    await this.elector.release();
    this.watching.abort();
    await this.cacheSet.stopped();
    for (const page of this.pages) await page.close();
    await this.http.close();
    await Promise.all([this.reader.close(), this.writer.close()]);
  }

  private guard(): void {
    if (this.settings.leaderElection) this.elector.guard();
  }

  private createBackgroundWork(): BackgroundWork {
    const { reader, writer, caches, events, links, registry, log: logger } = this;
    return new BackgroundWork({
      ...{ reader, writer, caches, events, links, registry, logger, clock },
      enqueue: (key, priority) => this.controller.queue.add(key, priority),
    });
  }

  private createController(): Controller {
    const { measuring, notifier, reporter, migrationProgress, podCreation } = this.background;
    const applier = new Applier(this.writer, {
      fieldManager: FIELD_MANAGER,
      annotation: `${GROUP}/applied-hash`,
      onWrite: (type, written) => this.caches.noteWrite(type, written),
    });
    const reconciler = new Reconciler({
      client: this.writer,
      caches: this.caches,
      actor: new Actor(this.writer, applier, this.caches),
      events: this.events,
      metrics: this.metrics,
      deliveryMetrics: new DeliveryMetrics(this.registry),
      logger: this.log,
      analyst: new Analyst(measuring),
      freezeQueries: new FreezeQueries(measuring),
      notifier,
      hasApprovalLinks: this.links !== undefined,
      reporter,
      migrationProgress,
      finishedJobs: new FinishedJobs(this.reader, this.caches),
      podCreation,
      signingKeys: new SigningKeyWriter({
        client: this.writer,
        onWrite: (written) => this.caches.secrets.noteWrite(written),
        clock,
        logger: this.log,
      }),
      clock,
      wallClock: Date.now,
    });
    return new Controller({
      name: 'pcfapi',
      workers: this.settings.concurrency,
      reconcile: (key) => inReconcileSpan(key, this.caches, () => reconciler.reconcile(key)),
      logger: this.log,
      registry: this.registry,
    });
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

/** Waits for the work with a timeout. The timer does not keep the process alive. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, sleep(ms, undefined, { ref: false })]);
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
