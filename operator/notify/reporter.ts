/**
 * Records the deliveries of each PcfApi as deployments in a PCF API. Like notifications, it never blocks,
 * delays or fails a delivery. Failed reports are repeated at a later reconcile, because the unavailable API
 * can be the one being delivered.
 */
import type { Logger } from 'pino';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { ReportingSpec } from '../api/v1alpha1/spec/reporting.js';
import type { PcfApiStatus } from '../api/v1alpha1/status.js';
import { systemClock } from '../runtime/clock.js';
import type { EventInput } from '../runtime/events.js';
import type { SecretReader } from '../runtime/outgoing/secrets.js';
import { keyOf } from '../runtime/store.js';
import type { RevisionFacts } from './delivery-events.js';
import { DeploymentRecorder } from './deployment-recorder.js';
import { type DeploymentReport, deploymentReports } from './deployment-reports.js';
import { MessageQueue, type QueueOptions } from './queue.js';

export interface ReporterOptions extends QueueOptions {
  secrets: SecretReader;
  events: { record(input: EventInput): void };
  logger: Logger;
  /** Minimum time before a dropped report is repeated. */
  pauseMs?: number;
}

/**
 * Reports that were sent or queued, with the time from which they may be sent again: never, or some time
 * after they were dropped.
 */
type Told = Map<string, number>;

export class Reporter {
  private readonly told = new Map<string, Told>();
  private readonly queue: MessageQueue;
  private readonly clock;

  constructor(private readonly options: ReporterOptions) {
    this.queue = new MessageQueue(options);
    this.clock = options.clock ?? systemClock;
  }

  /** Queues reports that were not sent yet. `now`: wall clock time. Never throws. */
  report(
    api: PcfApi,
    status: PcfApiStatus,
    revisionOf: (name: string) => RevisionFacts | undefined,
    now: number,
  ): void {
    const { reporting } = api.spec;
    if (!reporting || this.queue.isStopping) return;
    const reports = deploymentReports(api, status, revisionOf, now);
    const before = this.told.get(keyOf(api));
    const told: Told = new Map();
    this.told.set(keyOf(api), told);
    for (const report of reports) {
      const key = `${reporting.url} ${reporting.service} ${report.key} ${report.end ? 'ended' : 'began'}`;
      const notBefore = before?.get(key) ?? 0;
      const isDue = this.clock.now() >= notBefore;
      told.set(key, isDue ? Number.POSITIVE_INFINITY : notBefore);
      if (isDue) this.enqueue(api, reporting, report, key);
    }
  }

  /** The PcfApi was deleted. */
  forget(key: string): void {
    this.told.delete(key);
  }

  /** Resolves when the queue is empty. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  /** Rejects further reports and drops queued ones. The next leader reports them. */
  stop(): void {
    this.queue.stop();
  }

  private enqueue(api: PcfApi, spec: ReportingSpec, report: DeploymentReport, key: string): void {
    const recorder = new DeploymentRecorder(api, spec, this.options.secrets);
    this.queue.put({
      line: `${api.metadata.uid} ${spec.url}`,
      kind: 'report',
      send: (signal) => recorder.record(report, signal),
      dropped: (why, isStopping) => this.dropped(api, report, key, why, isStopping),
    });
  }

  private dropped(
    api: PcfApi,
    { revision }: DeploymentReport,
    key: string,
    why: string,
    isStopping: boolean,
  ): void {
    const { namespace, name } = api.metadata;
    const { logger, events, pauseMs = 60_000 } = this.options;
    const told = this.told.get(keyOf(api));
    if (told?.has(key)) told.set(key, this.clock.now() + pauseMs);
    logger.warn({ namespace, name, revision, why }, 'reporting a delivery failed');
    if (isStopping) return;
    events.record({
      regarding: api,
      type: 'Warning',
      reason: 'ReportFailed',
      action: 'Report',
      note: `recording the delivery of ${revision} failed and will be retried: ${why}`,
    });
  }
}
