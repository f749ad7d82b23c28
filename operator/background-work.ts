/**
 * The work between reconciles: measurements of analyses, notifications and reports, and what is read about running
 * Jobs. A result that matters to a PcfApi enqueues it.
 */
import type { Logger } from 'pino';
import type { AnalysisMetrics } from './analysis/analysis-metrics.js';
import { workQueueKey } from './analysis/freeze-queries.js';
import { JobProvider } from './analysis/providers/job.js';
import { PrometheusProvider } from './analysis/providers/prometheus.js';
import { WebhookProvider } from './analysis/providers/webhook.js';
import { AnalysisScheduler } from './analysis/scheduler.js';
import type { LinkService } from './approvals/link-service.js';
import { MigrationProgress } from './migrations/live-reports.js';
import type { NotifyMetrics } from './notify/notification-metrics.js';
import { Notifier } from './notify/notifier.js';
import { Reporter } from './notify/reporter.js';
import type { Caches } from './reconciler/caches.js';
import { PodCreationEvents } from './reconciler/pod-creation-events.js';
import type { EventRecorder } from './runtime/events.js';
import type { KubeClient } from './runtime/kube-client.js';
import { SecretReader } from './runtime/outgoing/secrets.js';
import type { Priority } from './runtime/work-queue.js';

export interface BackgroundWorkOptions {
  reader: KubeClient;
  /** Creates the Jobs of analyses. */
  writer: KubeClient;
  caches: Caches;
  events: EventRecorder;
  /** Creates the approval links of notifications. */
  links: LinkService | undefined;
  /** Shared by the shards of this process. */
  analysisMetrics: AnalysisMetrics;
  notifyMetrics: NotifyMetrics;
  logger: Logger;
  clock: () => number;
  enqueue: (key: string, priority?: Priority) => void;
}

export class BackgroundWork {
  readonly measuring: AnalysisScheduler;
  readonly notifier: Notifier;
  readonly reporter: Reporter;
  readonly migrationProgress: MigrationProgress;
  readonly podCreation: PodCreationEvents;

  constructor(options: BackgroundWorkOptions) {
    const { reader: client, events, links, notifyMetrics: metrics, logger, enqueue } = options;
    const secrets = new SecretReader(client);
    this.measuring = createScheduler(options, secrets);
    const outgoing = { secrets, events, metrics, logger };
    this.notifier = new Notifier({ ...outgoing, ...(links ? { links } : {}) });
    this.reporter = new Reporter(outgoing);
    const onNews = (key: string) => enqueue(key, 'low');
    this.migrationProgress = new MigrationProgress({ client, onNews, logger });
    this.podCreation = new PodCreationEvents({ client, onNews, logger });
  }

  stopMeasuring(): void {
    this.measuring.stop();
  }

  /** Call it after the last reconcile, which can start to follow further Jobs. */
  stopFollowing(): void {
    this.migrationProgress.stop();
    this.podCreation.stop();
  }

  /** Resolves when all notifications and reports are sent. */
  async flush(): Promise<void> {
    await Promise.all([this.notifier.flush(), this.reporter.flush()]);
  }

  stopSending(): void {
    this.notifier.stop();
    this.reporter.stop();
  }
}

function createScheduler(
  { writer, caches, analysisMetrics: metrics, logger, clock, enqueue }: BackgroundWorkOptions,
  secrets: SecretReader,
): AnalysisScheduler {
  return new AnalysisScheduler({
    providers: [
      new PrometheusProvider(secrets),
      new WebhookProvider(secrets),
      new JobProvider(writer, caches.jobs),
    ],
    concurrency: { Prometheus: 16, Webhook: 8, Job: 32 },
    onMeasured: (key) => enqueue(workQueueKey(key)),
    metrics,
    logger,
    now: clock,
  });
}
