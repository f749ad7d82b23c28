/** What the API measures, under one registry a process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PoolFigures } from '../database/data-source.js';
import { boundedNames } from './bounded-names.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MAX_OPERATION_NAMES = 100;

export interface MetricSources {
  version: string;
  revision: string;
  pool(): PoolFigures;
  databaseReady(): boolean;
  redisReady(): boolean;
}

export interface Metrics {
  registry: Registry;
  httpRequest(labels: { method: string; route: string; status: number }, seconds: number): void;
  graphqlOperation(labels: { operation?: string; type: string; outcome: string }, seconds: number): void;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  addGauges(registry, sources);
  const http = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'HTTP requests: how many, how long and how they ended.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: SECONDS,
    registers,
  });
  const graphql = new Histogram({
    name: 'graphql_operation_duration_seconds',
    help: 'GraphQL operations by name; names beyond the first hundred are counted as other.',
    labelNames: ['operation', 'type', 'outcome'] as const,
    buckets: SECONDS,
    registers,
  });
  const errors = new Counter({
    name: 'graphql_operation_errors_total',
    help: 'GraphQL operations that ended with an error.',
    labelNames: ['operation', 'type'] as const,
    registers,
  });
  const nameOf = boundedNames(MAX_OPERATION_NAMES);
  return {
    registry,
    httpRequest: ({ method, route, status }, seconds) =>
      http.observe({ method, route, status: String(status) }, seconds),
    graphqlOperation: ({ operation: given, type, outcome }, seconds) => {
      const operation = nameOf(given);
      graphql.observe({ operation, type, outcome }, seconds);
      if (outcome === 'error') errors.inc({ operation, type });
    },
  };
}

function addGauges(registry: Registry, { version, revision, ...sources }: MetricSources): void {
  const registers = [registry];
  new Gauge({
    name: 'pcf_api_build_info',
    help: 'Always 1; says which version and revision this is.',
    labelNames: ['version', 'revision'] as const,
    registers,
  }).set({ version, revision }, 1);
  new Gauge({
    name: 'pcf_api_database_connections',
    help: 'Connections of the pool, and requests that wait for one.',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const { total, idle, waiting } = sources.pool();
      this.set({ state: 'busy' }, total - idle);
      this.set({ state: 'idle' }, idle);
      this.set({ state: 'waiting' }, waiting);
    },
  });
  addReadyGauge(registers, 'database', sources.databaseReady);
  addReadyGauge(registers, 'redis', sources.redisReady);
}

function addReadyGauge(registers: Registry[], what: string, isReady: () => boolean): void {
  new Gauge({
    name: `pcf_api_${what}_ready`,
    help: `1 while ${what} can be used.`,
    registers,
    collect() {
      this.set(isReady() ? 1 : 0);
    },
  });
}
