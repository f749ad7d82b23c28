/** Metrics of the API, in one registry per process. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type OperationMetrics, operationMetrics } from './operation-metrics.js';
import { type StatementMetrics, statementMetrics } from './statement-metrics.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface Metrics extends OperationMetrics, StatementMetrics {
  registry: Registry;
  httpRequest(labels: { method: string; route: string; status: number }, seconds: number): void;
}

export function createMetrics({ version, revision }: { version: string; revision: string }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'pcf_api_build_info',
    help: 'Version and revision of the process; always 1.',
    labelNames: ['version', 'revision'] as const,
    registers: [registry],
    aggregator: 'first',
  }).set({ version, revision }, 1);
  const http = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Duration of HTTP requests in seconds, by route and status.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: SECONDS,
    registers: [registry],
  });
  return {
    registry,
    ...operationMetrics(registry),
    ...statementMetrics(registry),
    httpRequest: ({ method, route, status }, seconds) =>
      http.observe({ method, route, status: String(status) }, seconds),
  };
}
