/** Metrics of SQL statements. */
import { Counter, Histogram, type Registry } from 'prom-client';

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

export interface StatementMetrics {
  statement(event: { server: string; ms: number; error?: unknown }): void;
  /** A read or a connection attempt was retried after a connection failure. */
  databaseRetry(what: 'read' | 'connect'): void;
}

export function statementMetrics(registry: Registry): StatementMetrics {
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
