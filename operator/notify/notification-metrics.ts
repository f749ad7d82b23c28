/** How well people and dashboards are told. */
import { Counter, Gauge, type Registry } from 'prom-client';

export type NotifyMetrics = ReturnType<typeof notifyMetrics>;

/** Defines them in the registry, once. */
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
      help: 'Tries that failed and were not refused.',
      labelNames: ['kind'] as const,
      registers,
    }),
    pending: new Gauge({
      name: 'pcf_notifications_pending',
      help: 'Notifications that wait or are being sent.',
      registers,
    }),
  };
}
