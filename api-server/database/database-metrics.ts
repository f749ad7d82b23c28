/** Metrics of the connection pools and the replica. */
import { Gauge, type Registry } from 'prom-client';
import { addReadyGauge } from '../observability/metrics/ready-gauge.js';
import type { Database } from './database.js';

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
