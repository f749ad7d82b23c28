/** Metrics of the measurements of analyses. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type AnalysisMetrics = ReturnType<typeof analysisMetrics>;

/** Registers the metrics, once per registry. */
export function analysisMetrics(registry: Registry) {
  const registers = [registry];
  const labelNames = ['provider'] as const;
  return {
    measurements: new Counter({
      name: 'pcf_analysis_measurements_total',
      help: 'Measurements by provider and outcome: Success, Failure, Inconclusive or Error.',
      labelNames: ['provider', 'outcome'] as const,
      registers,
    }),
    duration: new Histogram({
      name: 'pcf_analysis_measurement_duration_seconds',
      help: 'Duration of a measurement.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300],
      labelNames,
      registers,
    }),
    inFlight: new Gauge({
      name: 'pcf_analysis_measurements_in_flight',
      help: 'Measurements in progress.',
      labelNames,
      registers,
    }),
    waiting: new Gauge({
      name: 'pcf_analysis_measurements_waiting',
      help: 'Measurements that are due and wait for a free slot.',
      labelNames,
      registers,
    }),
  };
}
