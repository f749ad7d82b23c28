/**
 * The operator: watches feed a queue of PcfApi keys, workers reconcile them.
 *
 * Of @dot-i/k8s-operator it takes the lifecycle (the kubeconfig, init, start, stop)
 * and the event types. Its watch is not used: it starts without a resourceVersion,
 * never relists, has one serial queue, and ends the process on the first error.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import dotI from '@dot-i/k8s-operator';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { analysisMetrics } from './analysis/analysis-metrics.js';
import { Analyst } from './analysis/analyst.js';
import { JobProvider } from './analysis/providers/job.js';
import { PrometheusProvider } from './analysis/providers/prometheus.js';
import { WebhookProvider } from './analysis/providers/webhook.js';
import { AnalysisScheduler } from './analysis/scheduler.js';
import { FIELD_MANAGER, GROUP } from './api/v1alpha1/pcfapi.js';
import { DashboardServer } from './dashboard/server.js';
import { CacheSource } from './dashboard/source.js';
import { tokenReviewGate } from './dashboard/token-review.js';
import { FinishedJobs } from './migrations/finished-jobs.js';
import { MigrationProgress } from './migrations/live-reports.js';
import { notifyMetrics } from './notify/notification-metrics.js';
import { Notifier } from './notify/notifier.js';
import { Reporter } from './notify/reporter.js';
import { Actor } from './reconciler/act.js';
import { Caches, instanceKey } from './reconciler/caches.js';
import { DeliveryMetrics } from './reconciler/delivery-metrics.js';
import { Metrics } from './reconciler/pcfapi-metrics.js';
import { PodCreationEvents } from './reconciler/pod-creation-events.js';
import { Reconciler } from './reconciler/reconciler.js';
import { Applier } from './runtime/apply.js';
import { CacheSet } from './runtime/cache-set.js';
import { Controller } from './runtime/controller.js';
import { clientMetrics, leaderMetrics } from './runtime/controller-metrics.js';
import { EventRecorder } from './runtime/events.js';
import { HttpServer } from './runtime/http-server.js';
import { KubeClient } from './runtime/kube-client.js';
import { LeaderElector } from './runtime/leader-election.js';
import { SecretReader } from './runtime/outgoing/secrets.js';
import { TokenBucket } from './runtime/rate-limiter.js';
import { keyOf } from './runtime/store.js';
import type { Priority } from './runtime/work-queue.js';
import type { OperatorSettings } from './settings.js';

/** What may still run after a stop was asked for, at most. */
const STOP_DEADLINE_MS = 20_000;
const FLUSH_DEADLINE_MS = 2_000;
/** What was read so long ago is new: a process that leads at once reads nothing twice. */
const FRESH_MS = 1_000;
/** Tokens are sent to the dashboard: they must not go over the cluster's network in the clear. */
const LOOPBACK = '127.0.0.1';

export class PcfOperator extends dotI.default {
  private readonly registry = new Registry();
  private readonly stopping = new AbortController();
  private readonly watching = new AbortController();
  private readonly identity = `${hostname()}_${randomUUID().slice(0, 8)}`;
  /** For watches and the Lease: neither waits for --kube-api-qps. */
  private readonly reader: KubeClient;
  /** For everything that only the leader may do. */
  private readonly writer: KubeClient;
  private readonly elector: LeaderElector;
  private readonly cacheSet: CacheSet;
  private readonly caches: Caches;
  private readonly events: EventRecorder;
  private readonly metrics: Metrics;
  private measuring!: AnalysisScheduler;
  private notifier!: Notifier;
  private reporter!: Reporter;
  private migrationProgress!: MigrationProgress;
  private podCreation!: PodCreationEvents;
  private readonly controller: Controller;
  private readonly http: HttpServer;
  private readonly dashboard: DashboardServer | undefined;
  private resync: NodeJS.Timeout | undefined;
  private synced = false;
  private syncedAt = 0;
  /** Whether this process reconciles, and not only watches. */
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
    this.caches = new Caches(this.cacheSet, settings.namespaces);
    this.events = new EventRecorder(this.writer, `${GROUP}/${FIELD_MANAGER}`, this.identity, log);
    this.metrics = new Metrics(this.registry);
    this.controller = this.createController();
    this.http = this.createHttpServer();
    this.dashboard = settings.dashboardPort > 0 ? this.createDashboard() : undefined;
  }

  /** Watches, waits for the lease, reconciles. Resolves once {@link stop} was called and everything is done. */
  override async start(): Promise<void> {
    await super.start();
    try {
      if (this.settings.leaderElection) await this.elector.acquire(this.stopping.signal);
      const leading = this.lead();
      await Promise.race([this.seeAnew(), leading]);
      this.isWorking = true;
      this.controller.start();
      this.startResync();
      await leading;
    } catch (error) {
      if (!this.stopping.signal.aborted) throw error;
    } finally {
      await this.shutDown();
    }
  }

  /** Asks the operator to finish what it does and leave. */
  override stop(): void {
    this.stopping.abort();
  }

  /** Opens the watches and waits until they have seen everything. Standbys do so too: failover costs no sync. */
  protected override async init(): Promise<void> {
    const port = await this.http.listen();
    this.log.info({ port, identity: this.identity }, 'operator starts');
    await this.dashboard?.listen();
    this.routeEvents();
    this.cacheSet.start(this.watching.signal);
    await Promise.race([this.cacheSet.synced(), aborted(this.stopping.signal)]);
    this.synced = true;
    this.syncedAt = performance.now();
    this.log.info({ pcfApis: this.caches.pcfApis.list().length }, 'caches are in sync');
  }

  /**
   * A standby whose watch died without a word would plan from a spec and a status of long ago, and
   * force them on what the leader before it did. Where it comes to lead, it reads both again.
   */
  private async seeAnew(): Promise<void> {
    if (performance.now() - this.syncedAt < FRESH_MS) return;
    await this.caches.pcfApis.renew();
  }

  private async lead(): Promise<void> {
    if (!this.settings.leaderElection) return aborted(this.stopping.signal);
    await this.elector.hold(this.stopping.signal);
    // Another process leads now. Its writes and the rest of ours must not mix: begin again from nothing.
    if (!this.stopping.signal.aborted) throw new Error('the lease was lost; another process leads');
  }

  private async shutDown(): Promise<void> {
    this.log.info('operator stops');
    clearInterval(this.resync);
    this.measuring.stop();
    await within(STOP_DEADLINE_MS, this.controller.stop());
    // After the last reconcile, which may start to read further Jobs.
    this.migrationProgress.stop();
    this.podCreation.stop();
    await within(FLUSH_DEADLINE_MS, Promise.all([this.notifier.flush(), this.reporter.flush()]));
    this.notifier.stop();
    this.reporter.stop();
    await within(FLUSH_DEADLINE_MS, this.events.flush());
    await this.elector.release();
    this.watching.abort();
    await this.cacheSet.stopped();
    await this.dashboard?.close();
    await this.http.close();
    await Promise.all([this.reader.close(), this.writer.close()]);
  }

  /** Looks at every PcfApi now and then, each at a time of its own: what no event tells is found all the same. */
  private startResync(): void {
    const { resyncMs } = this.settings;
    if (resyncMs === 0) return;
    this.resync = setInterval(() => {
      const spreadMs = resyncMs / 10;
      for (const api of this.caches.pcfApis.list())
        this.controller.queue.addAfter(keyOf(api), Math.random() * spreadMs, 'low');
    }, resyncMs);
  }

  private guard(): void {
    if (this.settings.leaderElection) this.elector.guard();
  }

  private createController(): Controller {
    // Monotonic: a system clock that is set does not end a hold or a deadline.
    const clock = () => Math.round(performance.timeOrigin + performance.now());
    const applier = new Applier(this.writer, {
      fieldManager: FIELD_MANAGER,
      annotation: `${GROUP}/applied-hash`,
      onWrite: (type, written) => this.caches.noteWrite(type, written),
    });
    const secrets = new SecretReader(this.reader);
    this.measuring = new AnalysisScheduler({
      providers: [
        new PrometheusProvider(secrets),
        new WebhookProvider(secrets),
        new JobProvider(this.writer, this.caches.jobs),
      ],
      concurrency: { Prometheus: 16, Webhook: 8, Job: 32 },
      onMeasured: (key) => this.controller.queue.add(key),
      metrics: analysisMetrics(this.registry),
      logger: this.log,
      now: clock,
    });
    const outgoing = {
      secrets,
      events: this.events,
      metrics: notifyMetrics(this.registry),
      logger: this.log,
    };
    this.notifier = new Notifier(outgoing);
    this.reporter = new Reporter(outgoing);
    this.migrationProgress = new MigrationProgress({
      client: this.reader,
      onNews: (key) => this.controller.queue.add(key, 'low'),
      logger: this.log,
    });
    this.podCreation = new PodCreationEvents({
      client: this.reader,
      onNews: (key) => this.controller.queue.add(key, 'low'),
      logger: this.log,
    });
    const reconciler = new Reconciler({
      client: this.writer,
      caches: this.caches,
      actor: new Actor(this.writer, applier, this.caches),
      events: this.events,
      metrics: this.metrics,
      deliveryMetrics: new DeliveryMetrics(this.registry),
      logger: this.log,
      analyst: new Analyst(this.measuring),
      notifier: this.notifier,
      reporter: this.reporter,
      migrationProgress: this.migrationProgress,
      finishedJobs: new FinishedJobs(this.reader, this.caches),
      podCreation: this.podCreation,
      clock,
    });
    return new Controller({
      name: 'pcfapi',
      workers: this.settings.concurrency,
      reconcile: (key) => reconciler.reconcile(key),
      logger: this.log,
      registry: this.registry,
    });
  }

  /** What a standby sees is no news once it leads: it waits behind what is asked for then. */
  private get haste(): Priority {
    return this.isWorking ? 'high' : 'low';
  }

  /** Which PcfApi to look at when something changes. */
  private routeEvents(): void {
    const { queue } = this.controller;
    this.caches.pcfApis.on(({ object, old, type }) => {
      const edited = old !== undefined && object.metadata.generation !== old.metadata.generation;
      if (edited && this.isWorking) this.metrics.edited(keyOf(object));
      queue.add(keyOf(object), edited || type === 'DELETED' ? 'high' : 'low');
    });
    const everyone = () => {
      for (const api of this.caches.pcfApis.list()) queue.add(keyOf(api), 'low');
    };
    for (const [type, cache] of this.caches.dependents()) {
      cache.onAvailability(everyone);
      cache.on((event) => {
        // Both: a label that was changed takes the object from one PcfApi and gives it to another.
        const keys = new Set([
          instanceKey(event.object),
          event.old && instanceKey(event.old),
          ...this.caches.contenders(type, event),
        ]);
        for (const key of keys) if (key) queue.add(key, this.haste);
      });
    }
    this.caches.secrets.on(({ object }) => {
      for (const api of this.caches.readersOf(object)) queue.add(keyOf(api), this.haste);
    });
    for (const [type, cache] of this.caches.routesOfUsers()) {
      cache.on((event) => {
        const { object, old } = event;
        const keys = [object, ...(old ? [old] : [])].flatMap((route) => this.caches.concernedBy(route));
        keys.push(...this.caches.contenders(type, event));
        for (const key of new Set(keys)) queue.add(key, this.haste);
      });
    }
  }

  /** Shows what the caches hold, and changes nothing; standbys serve it too. */
  private createDashboard(): DashboardServer {
    const { pcfApis, pods } = this.caches;
    return new DashboardServer({
      source: new CacheSource({ pcfApis, pods }),
      admit: tokenReviewGate(this.reader, this.settings.namespaces),
      host: LOOPBACK,
      port: this.settings.dashboardPort,
      names: [LOOPBACK, 'localhost'],
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
      ready: { sync: () => (this.synced ? undefined : 'the caches are not in sync yet'), watches },
    });
  }
}

/** Waits for the work, but no longer than that; the timer does not keep the process alive. */
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
