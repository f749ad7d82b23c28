/** Simulated requests of two revisions, as counters that Prometheus has scraped. Times are in seconds. */
import { poisson, seedOf, uniform } from './random.js';

/** Boundaries of the histogram of the API, in seconds. */
export const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5] as const;
export const TICK = 5;
/** Age of the pods of the stable revision at the start of the delivery. */
const HISTORY = 3_600;
/** Median 40 ms and p99 200 ms, log-normal. */
const MEDIAN = 0.04;
const SIGMA = Math.log(5) / 2.3263;
const ERRORS = 0.001;

export interface Scenario {
  name: string;
  /** Increase of the share of failed requests of the canary. */
  moreErrors: number;
  /** Factor of the latency of the canary. */
  slower: number;
  /** Whether only the slowest 10 % of the requests are slower. */
  tail?: boolean;
  /** A share of failed requests that both revisions have for three minutes. */
  incident?: number;
}

/** Counters at one time. `buckets` are not cumulative: one more than boundaries. */
export interface Counters {
  at: number;
  requests: number;
  errors: number;
  buckets: number[];
}

export type Arm = 'canary' | 'stable';

/** Prometheus scrapes each pod at its own offset within the interval. */
const PODS: Record<Arm, number> = { canary: 1, stable: 3 };

interface Pod {
  phase: number;
  now: Counters;
  scraped: Counters[];
}

export class Traffic {
  readonly exposed = () => this.pods.canary.reduce((sum, { now }) => sum + now.requests, 0);
  private readonly pods: Record<Arm, Pod[]>;
  private readonly shares: Record<Arm, number[]>;
  private readonly incidentAt: number;

  constructor(
    private readonly scenario: Scenario,
    private readonly perSecond: number,
    private readonly scrapeInterval: number,
    private readonly seed: number,
  ) {
    this.shares = { stable: bucketShares(1), canary: histogramShares(scenario) };
    const random = uniform(seedOf(seed, -1));
    this.incidentAt = 60 + Math.floor((random() * 1_200) / TICK) * TICK;
    const podsOf = (arm: Arm) =>
      Array.from({ length: PODS[arm] }, () => ({
        phase: Math.floor((random() * scrapeInterval) / TICK) * TICK,
        ...{ now: noCounters(), scraped: [] },
      }));
    this.pods = { canary: podsOf('canary'), stable: podsOf('stable') };
    this.add('stable', perSecond * HISTORY, ERRORS, random);
    for (const pod of [...this.pods.canary, ...this.pods.stable]) scrape(pod, 0);
  }

  /** The requests of the tick that ends at `at`. A weight from 0 to 1. */
  advance(at: number, weight: number): void {
    const random = uniform(seedOf(this.seed, at, Math.round(weight * 1_000)));
    const isIncident = at > this.incidentAt && at <= this.incidentAt + 180;
    const errors = ERRORS + ((isIncident && this.scenario.incident) || 0);
    this.add('canary', this.perSecond * weight * TICK, errors + this.scenario.moreErrors, random);
    this.add('stable', this.perSecond * (1 - weight) * TICK, errors, random);
    for (const pod of [...this.pods.canary, ...this.pods.stable])
      if ((at - pod.phase) % this.scrapeInterval === 0) scrape(pod, at);
  }

  /** Sum of the newest scrapes of the pods at this time. `at`: time of the oldest of them. */
  at(arm: Arm, time: number): Counters {
    const newest = this.pods[arm].map(({ scraped }) => newestAt(scraped, time));
    return newest.reduce((sum, one) => ({
      at: Math.min(sum.at, one.at),
      requests: sum.requests + one.requests,
      errors: sum.errors + one.errors,
      buckets: sum.buckets.map((count, index) => count + one.buckets[index]!),
    }));
  }

  /** Mean time of the newest scrapes of the pods. */
  meanAt(arm: Arm, time: number): number {
    const times = this.pods[arm].map(({ scraped }) => newestAt(scraped, time).at);
    return times.reduce((sum, at) => sum + at, 0) / times.length;
  }

  /** The first time at which all pods have been scraped since this time; undefined before it. */
  scrapedSince(arm: Arm, time: number): number | undefined {
    const firsts = this.pods[arm].map(({ scraped }) => scraped.find(({ at }) => at >= time)?.at);
    return firsts.some((at) => at === undefined) ? undefined : Math.max(...(firsts as number[]));
  }

  /** Increase of the counters between two times. */
  between(arm: Arm, from: number, to: number): Counters {
    const [start, end] = [this.at(arm, from), this.at(arm, to)];
    return {
      at: end.at,
      requests: end.requests - start.requests,
      errors: end.errors - start.errors,
      buckets: end.buckets.map((count, index) => count - start.buckets[index]!),
    };
  }

  private add(arm: Arm, mean: number, errorShare: number, random: () => number): void {
    for (const { now } of this.pods[arm]) {
      let requests = 0;
      this.shares[arm].forEach((share, index) => {
        const count = poisson((mean / PODS[arm]) * share, random);
        now.buckets[index]! += count;
        requests += count;
      });
      now.requests += requests;
      now.errors += Math.min(requests, poisson(requests * -Math.log1p(-errorShare), random));
    }
  }
}

/** Share of failed requests of the canary. */
export function errorShare({ moreErrors }: Scenario): number {
  return ERRORS + moreErrors;
}

/** Shares of the buckets of the histogram of the canary. */
export function histogramShares({ slower, tail }: Scenario): number[] {
  return bucketShares(slower, tail);
}

function scrape({ now, scraped }: Pod, at: number): void {
  scraped.push({ ...now, at, buckets: [...now.buckets] });
}

function newestAt(scraped: readonly Counters[], time: number): Counters {
  let index = scraped.length - 1;
  while (index > 0 && scraped[index]!.at > time) index -= 1;
  return scraped[index]!;
}

/** Percentile by linear interpolation, like `histogram_quantile`. */
export function percentile({ buckets }: Counters, quantile: number): number {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [index, upper] of BOUNDARIES.entries()) {
    const count = buckets[index]!;
    const lower = BOUNDARIES[index - 1] ?? 0;
    if (below + count >= quantile * total)
      return lower + (upper - lower) * ((quantile * total - below) / count);
    below += count;
  }
  return BOUNDARIES.at(-1)!;
}

function noCounters(): Counters {
  return { at: 0, requests: 0, errors: 0, buckets: Array(BOUNDARIES.length + 1).fill(0) };
}

function bucketShares(slower: number, tail = false): number[] {
  const below = BOUNDARIES.map((seconds) => {
    const [before, after] = [shareBelow(seconds), shareBelow(seconds / slower)];
    return tail ? Math.min(before, Math.max(0.9, after)) : after;
  });
  return [...below, 1].map((share, index) => share - (below[index - 1] ?? 0));
}

function shareBelow(seconds: number): number {
  return normal(Math.log(seconds / MEDIAN) / SIGMA);
}

/** Standard normal distribution (Abramowitz and Stegun 26.2.17, error below 1e-7). */
function normal(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = Math.exp((-x * x) / 2) * 0.398_942_280_4 * series;
  return x >= 0 ? 1 - tail : tail;
}
