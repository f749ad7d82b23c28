/** The performance baseline of a PcfApi: figures of its revisions, in an annotation. Pure. */
import { z } from 'zod';
import { GROUP, type PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';

export const BASELINE_ANNOTATION = `${GROUP}/baseline`;

/** Older entries are removed. */
const MAX_ENTRIES = 10;

const figures = z.object({
  requestsPerSecond: z.number(),
  /** Share of the requests whose response has errors, from 0 to 1. */
  errorShare: z.number(),
  /** Latency in seconds. */
  p50: z.number(),
  p99: z.number(),
});
export type Figures = z.infer<typeof figures>;

const entry = figures.extend({
  revision: z.string(),
  image: z.string(),
  recordedAt: z.string(),
  /** Length of the measured time, in seconds. */
  windowSeconds: z.number(),
});
export type BaselineEntry = z.infer<typeof entry>;

/** Oldest first. Empty without a baseline, or if the annotation is not one. */
export function readBaseline({ metadata }: PcfApi): BaselineEntry[] {
  const text = metadata.annotations?.[BASELINE_ANNOTATION];
  try {
    return text ? z.array(entry).parse(JSON.parse(text)) : [];
  } catch {
    return [];
  }
}

/** The annotation with a new entry, which replaces an earlier one of the same revision. */
export function withEntry(known: readonly BaselineEntry[], added: BaselineEntry): string {
  const others = known.filter(({ revision }) => revision !== added.revision);
  return JSON.stringify([...others, added].slice(-MAX_ENTRIES));
}

export interface Comparison {
  outcome: 'ok' | 'warn' | 'fail';
  /** What is worse, with both values; empty if nothing is. */
  differences: string[];
}

/** Tolerated differences. Smaller ones are noise of the load. */
const MORE_ERRORS = 0.01;
const SLOWER = 1.5;
const SLOWER_P99_SECONDS = 0.05;
const SLOWER_P50_SECONDS = 0.02;
const LESS_LOAD = 0.5;

/**
 * `fail`: 1 percentage point more errors, or a p99 that is 1.5 times and 50 ms higher. `warn`: a p50 that is 1.5 times
 * and 20 ms higher, or less than half of the requests, so that the latencies can't be compared.
 */
export function compareWithBaseline(now: Figures, baseline: Figures): Comparison {
  const isSlower = (name: 'p50' | 'p99', atLeast: number) =>
    now[name] > SLOWER * baseline[name] && now[name] - baseline[name] > atLeast;
  const failures = [
    now.errorShare > baseline.errorShare + MORE_ERRORS &&
      `errors ${percent(now.errorShare)} instead of ${percent(baseline.errorShare)}`,
    isSlower('p99', SLOWER_P99_SECONDS) && `p99 ${ms(now.p99)} instead of ${ms(baseline.p99)}`,
  ].filter((each) => each !== false);
  const warnings = [
    isSlower('p50', SLOWER_P50_SECONDS) && `p50 ${ms(now.p50)} instead of ${ms(baseline.p50)}`,
    now.requestsPerSecond < LESS_LOAD * baseline.requestsPerSecond &&
      `${rate(now.requestsPerSecond)} instead of ${rate(baseline.requestsPerSecond)}`,
  ].filter((each) => each !== false);
  const outcome = failures.length > 0 ? 'fail' : warnings.length > 0 ? 'warn' : 'ok';
  return { outcome, differences: [...failures, ...warnings] };
}

/** The figures in one line. */
export function describeFigures({ requestsPerSecond, errorShare, p50, p99 }: Figures): string {
  return `${rate(requestsPerSecond)}, errors ${percent(errorShare)}, p50 ${ms(p50)}, p99 ${ms(p99)}`;
}

const rate = (value: number) => `${Number(value.toPrecision(3))} requests/s`;
const percent = (share: number) => `${Number((share * 100).toFixed(2))} %`;
const ms = (seconds: number) => `${Number((seconds * 1000).toPrecision(3))} ms`;
