/**
 * Delivery metrics: deployment frequency, lead time for changes, change failure
 * rate, time to restore and rollback frequency are queries over these (see docs/delivery.md).
 * Definitions by DORA: https://dora.dev/guides/dora-metrics-four-keys/
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { startOfFailure } from '../api/v1alpha1/start-of-failure.js';
import type { DeliveryRecord } from '../api/v1alpha1/status.js';

const identity = ['namespace', 'name'] as const;
const OUTCOMES: readonly DeliveryRecord['outcome'][] = [
  'Promoted',
  'Aborted',
  'Undone',
  'RolledBack',
  'Cancelled',
  'Superseded',
];
const HOUR = 3_600;

export class DeliveryMetrics {
  private readonly deliveries: Counter<'namespace' | 'name' | 'outcome'>;
  private readonly duration: Histogram<'namespace' | 'name'>;
  private readonly leadTime: Histogram<'namespace' | 'name'>;
  private readonly timeToRestore: Histogram<'namespace' | 'name'>;
  /** PcfApis whose series exist. */
  private readonly initialized = new Set<string>();

  constructor(registry: Registry) {
    const registers = [registry];
    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name, help, buckets, labelNames: identity, registers });
    this.deliveries = new Counter({
      name: 'pcf_deliveries_total',
      help: 'Finished deliveries, by outcome.',
      labelNames: [...identity, 'outcome'] as const,
      registers,
    });
    this.duration = histogram(
      'pcf_delivery_duration_seconds',
      'Time from the start of a delivery to its promotion.',
      [10, 30, 60, 300, 900, HOUR, 4 * HOUR, 24 * HOUR],
    );
    this.leadTime = histogram(
      'pcf_delivery_lead_time_seconds',
      'Time from spec.source.committedAt to the promotion.',
      [300, 900, HOUR, 4 * HOUR, 24 * HOUR, 168 * HOUR, 720 * HOUR],
    );
    this.timeToRestore = histogram(
      'pcf_delivery_time_to_restore_seconds',
      'Time from the first traffic of a revision that was aborted, rolled back or undone until the end of its traffic.',
      [1, 5, 15, 60, 300, 900, HOUR, 4 * HOUR, 24 * HOUR],
    );
  }

  /** Records finished deliveries. `before`: earlier records, newest first. */
  record(
    { metadata }: PcfApi,
    ended: readonly DeliveryRecord[],
    before: readonly DeliveryRecord[] = [],
  ): void {
    const { namespace, name } = metadata;
    const series = { namespace, name };
    this.initialize(series);
    for (const record of ended) {
      this.deliveries.inc({ ...series, outcome: record.outcome });
      if (record.outcome === 'Promoted')
        this.duration.observe(series, seconds(record.startedAt, record.finishedAt));
      if (record.outcome === 'Promoted' && record.committedAt)
        this.leadTime.observe(series, seconds(record.committedAt, record.finishedAt));
      const failedSince = startOfFailure(record, before);
      if (failedSince) this.timeToRestore.observe(series, seconds(failedSince, record.finishedAt));
    }
  }

  /** Exports 0 before the first delivery, because increase() ignores the first sample of a counter. */
  private initialize(series: { namespace: string; name: string }): void {
    const key = `${series.namespace}/${series.name}`;
    if (this.initialized.has(key)) return;
    this.initialized.add(key);
    for (const outcome of OUTCOMES) this.deliveries.inc({ ...series, outcome }, 0);
  }

  /** Removes the series of a deleted PcfApi. */
  forget(namespace: string, name: string): void {
    this.initialized.delete(`${namespace}/${name}`);
    for (const outcome of OUTCOMES) this.deliveries.remove({ namespace, name, outcome });
    for (const metric of [this.duration, this.leadTime, this.timeToRestore])
      metric.remove({ namespace, name });
  }
}

function seconds(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
