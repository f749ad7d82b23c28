/**
 * Keeps the record of deployments in a PCF API in step with the status of each PcfApi. As with
 * notifications nothing here blocks, delays or fails a delivery. What could not be told is told
 * again when the PcfApi is looked at next: the API that is away may be the one being delivered.
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
  /** How long a report that was dropped is left alone, at least. */
  pauseMs?: number;
}

/** What is told already or waits for its turn, with when it may be told again: never, or some time after it was dropped. */
type Told = Map<string, number>;

export class Reporter {
  private readonly told = new Map<string, Told>();
  private readonly queue: MessageQueue;
  private readonly clock;

  constructor(private readonly options: ReporterOptions) {
    this.queue = new MessageQueue(options);
    this.clock = options.clock ?? systemClock;
  }

  /** Queues what the API does not know yet. `now` is the time of day. Never throws. */
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

  /** The PcfApi is gone. */
  forget(key: string): void {
    this.told.delete(key);
  }

  /** Resolves when nothing waits any more. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  /** Takes nothing more, and gives up what is not through: whoever leads next tells it. */
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
