/** Metrics of SQL statements and connection pools. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Database } from '../../database/database.js';
import type { StatementEvent } from '../../database/pool/statement-observer.js';
import { addReadyGauge } from './ready-gauge.js';

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

export interface DatabaseMetrics {
  statement(event: StatementEvent): void;
  /** A read or a connection attempt was retried after a connection failure. */
  databaseRetry(what: 'read' | 'connect'): void;
}

export function databaseMetrics(registry: Registry): DatabaseMetrics {
  const registers = [registry];
  const duration = new Histogram({
    name: 'pcf_api_database_statement_duration_seconds',
    help: 'Duration of SQL statements in seconds, by server and outcome.',
    labelNames: ['server', 'outcome'] as const,
    buckets: BUCKETS,
    registers,
  });
  const retries = new Counter({
    name: 'pcf_api_database_retries_total',
    help: 'Retries of reads and connection attempts after a connection failure.',
    labelNames: ['what'] as const,
    registers,
  });
  return {
    statement: ({ server, ms, error }) =>
      duration.observe({ server, outcome: error === undefined ? 'ok' : 'error' }, ms / 1_000),
    databaseRetry: (what) => retries.inc({ what }),
  };
}

/** Gauges that are read at scrape time. */
export function addDatabaseGauges(registry: Registry, database: Database): void {
  const registers = [registry];
  addReadyGauge(registry, 'database', () => database.monitor.isReady);
  new Gauge({
    name: 'pcf_api_database_connections',
    help: 'Connections of the pools by state, and requests that wait for a connection.',
    labelNames: ['server', 'state'] as const,
    registers,
    collect() {
      for (const { server, figures } of database.pools) {
        this.set({ server, state: 'busy' }, figures.total - figures.idle);
        this.set({ server, state: 'idle' }, figures.idle);
        this.set({ server, state: 'waiting' }, figures.waiting);
      }
    },
  });
  new Gauge({
    name: 'pcf_api_database_circuit_open',
    help: 'Whether the circuit breaker of a server is open after connection failures: 1 or 0.',
    labelNames: ['server'] as const,
    registers,
    aggregator: 'max',
    collect() {
      for (const { server, circuitIsOpen } of database.pools) this.set({ server }, circuitIsOpen ? 1 : 0);
    },
  });
  if (!database.hasReplica) return;
  addReadyGauge(registry, 'database_replica', () => database.replicaStatus?.state === 'ready');
  new Gauge({
    name: 'pcf_api_database_replica_lag_seconds',
    help: 'Replication lag in seconds.',
    registers,
    aggregator: 'max',
    collect() {
      this.set((database.replicaStatus?.lagMs ?? 0) / 1_000);
    },
  });
}
