/** Prints each measurement of an analysis once: value, bounds and outcome. */
import type { PcfApiView, PcfApiWatch } from './pcfapi-watch.js';

type Analysis = NonNullable<NonNullable<PcfApiView['status']>['analysis']>;

export function printMeasurements(watch: PcfApiWatch, tell: (line: string) => void): void {
  const recorded = new Set<string>();
  // From the previous status: when a measurement aborts a delivery, the weight is already 0.
  let weight = 0;
  watch.onChange(() => {
    const { analysis, traffic } = watch.now()?.status ?? {};
    for (const metric of analysis?.metrics ?? []) {
      const id = [analysis?.revision, metric.name, metric.since, metric.lastMeasuredAt].join();
      if (!metric.lastMeasuredAt || recorded.has(id)) continue;
      recorded.add(id);
      tell(`at ${weight} %: ${measured(metric)}`);
    }
    weight = traffic?.effectiveWeight ?? 0;
  });
}

/** `success-rate 0.75 (at least 0.99): Failure` */
function measured({ name, value, stableValue, bound, outcome, detail }: Analysis['metrics'][number]): string {
  const beside = stableValue === undefined ? '' : `, stable ${stableValue}`;
  const saw = value === undefined ? (detail ?? 'no data') : `${value}${beside}`;
  return `${name} ${saw} (${bound}): ${outcome}`;
}
