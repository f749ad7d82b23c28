/**
 * Reconciles and writes the PcfApis of one shard, while this process holds its Lease. With one shard, these are all
 * PcfApis.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import { Analyst } from './analysis/analyst.js';
import { FreezeQueries } from './analysis/freeze-queries.js';
import { FIELD_MANAGER, GROUP } from './api/v1alpha1/pcfapi.js';
import { BackgroundWork, type BackgroundWorkOptions } from './background-work.js';
import { FinishedJobs } from './migrations/finished-jobs.js';
import { Actor } from './reconciler/act.js';
import type { DeliveryMetrics } from './reconciler/delivery-metrics.js';
import type { Metrics } from './reconciler/pcfapi-metrics.js';
import { type ReconcileResult, Reconciler } from './reconciler/reconciler.js';
import { SigningKeyWriter } from './reconciler/signing-key-writer.js';
import { Applier } from './runtime/apply.js';
import { within } from './runtime/clock.js';
import { EventRecorder } from './runtime/events.js';
import { KubeClient, type KubeClientOptions } from './runtime/kube-client.js';
import type { LeaderElector } from './runtime/leader-election.js';
import { partsOf } from './runtime/store.js';

/** Maximum duration of running reconciles after a stop was requested. */
const STOP_DEADLINE_MS = 20_000;
const FLUSH_DEADLINE_MS = 2_000;

export interface ShardOptions extends Omit<BackgroundWorkOptions, 'writer' | 'events'> {
  kubeConfig: KubeConfig;
  /** Options of the client for writes. */
  writes: KubeClientOptions;
  /** Identity of this process. */
  identity: string;
  /** Leases that this process must hold to write. */
  electors: readonly LeaderElector[];
  metrics: Metrics;
  deliveryMetrics: DeliveryMetrics;
}

export class Shard {
  private readonly writer: KubeClient;
  private readonly events: EventRecorder;
  private readonly background: BackgroundWork;
  private readonly reconciler: Reconciler;
  private readonly running = new Set<Promise<unknown>>();
  /** Keys with state or metrics in this process. */
  private readonly known = new Set<string>();

  constructor(private readonly options: ShardOptions) {
    const { kubeConfig, writes, identity, electors, logger } = options;
    const terms = electors.map(({ signal }) => signal);
    const ended = terms.length > 0 ? AbortSignal.any(terms) : undefined;
    this.writer = new KubeClient(kubeConfig, {
      ...writes,
      guardWrite: () => {
        for (const elector of electors) elector.guard();
      },
      writeSignal: () => ended,
    });
    this.events = new EventRecorder(this.writer, `${GROUP}/${FIELD_MANAGER}`, identity, logger);
    this.background = new BackgroundWork({ ...options, writer: this.writer, events: this.events });
    this.reconciler = this.createReconciler();
  }

  /** Reconciles one PcfApi of this shard. */
  async reconcile(key: string): Promise<ReconcileResult> {
    this.known.add(key);
    const reconciling = this.reconciler.reconcile(key);
    this.running.add(reconciling);
    try {
      return await reconciling;
    } finally {
      this.running.delete(reconciling);
      if (!this.find(key)) this.known.delete(key);
    }
  }

  /**
   * Resolves after the last write. Call it after the last call of {@link reconcile}. The metrics of the PcfApis are
   * removed: their next owner exports them.
   */
  async stop(): Promise<void> {
    this.background.stopMeasuring();
    await within(STOP_DEADLINE_MS, Promise.allSettled(this.running));
    this.background.stopFollowing();
    await within(FLUSH_DEADLINE_MS, this.background.flush());
    this.background.stopSending();
    await within(FLUSH_DEADLINE_MS, this.events.flush());
    await this.writer.close();
    for (const key of this.known) this.reconciler.forget(...partsOf(key));
  }

  private find(key: string) {
    return this.options.caches.pcfApis.get(...partsOf(key));
  }

  private createReconciler(): Reconciler {
    const { reader, caches, metrics, deliveryMetrics, links, logger, clock } = this.options;
    const { measuring, notifier, reporter, migrationProgress, podCreation } = this.background;
    const applier = new Applier(this.writer, {
      fieldManager: FIELD_MANAGER,
      annotation: `${GROUP}/applied-hash`,
      onWrite: (type, written) => caches.noteWrite(type, written),
    });
    return new Reconciler({
      client: this.writer,
      caches,
      actor: new Actor(this.writer, applier, caches),
      events: this.events,
      metrics,
      deliveryMetrics,
      logger,
      analyst: new Analyst(measuring),
      freezeQueries: new FreezeQueries(measuring),
      notifier,
      hasApprovalLinks: links !== undefined,
      reporter,
      migrationProgress,
      finishedJobs: new FinishedJobs(reader, caches),
      podCreation,
      signingKeys: new SigningKeyWriter({
        client: this.writer,
        onWrite: (written) => caches.secrets.noteWrite(written),
        clock,
        logger,
      }),
      clock,
      wallClock: Date.now,
    });
  }
}
