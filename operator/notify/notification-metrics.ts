/** Metrics of notifications and reports. */
import { Counter, Gauge, type Registry } from 'prom-client';

export type NotifyMetrics = ReturnType<typeof notifyMetrics>;

/** Registers the metrics, once per registry. */
export function notifyMetrics(registry: Registry) {
  const registers = [registry];
  return {
    notifications: new Counter({
      name: 'pcf_notifications_total',
      help: 'Notifications by kind of destination and outcome: sent or dropped.',
      labelNames: ['kind', 'outcome'] as const,
      registers,
    }),
    retries: new Counter({
      name: 'pcf_notification_retries_total',
      help: 'Failed attempts that are retried.',
      labelNames: ['kind'] as const,
      registers,
    }),
    pending: new Gauge({
      name: 'pcf_notifications_pending',
      help: 'Notifications that are queued or being sent.',
      registers,
    }),
  };
}
