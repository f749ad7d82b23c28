/** Compares a measurement with the bounds of its metric. */

import type { Comparison, MetricSpec } from '../api/v1alpha1/spec/analysis.js';
import { BURN_RATES, type BurnRate } from '../api/v1alpha1/spec/analysis-sources.js';
import type { Outcome } from '../api/v1alpha1/status/analysis.js';
import type { Evaluation, Reading, Sample } from './analysis-model.js';
import { format } from './format-value.js';
import { evaluateCounts } from './sequential/evaluate-counts.js';
import { sequentialBoundText } from './sequential/settings.js';

/** Bounds of a metric, for messages. */
export function boundText(spec: MetricSpec): string {
  const { min, compareWithStable, job, webhook, burnRate } = spec;
  if (spec.sequential) return sequentialBoundText(spec);
  const max = maxOf(spec);
  const parts = [
    ...(min === undefined ? [] : [`at least ${min}`]),
    ...(max === undefined ? [] : [`at most ${max}${burnRate ? windowsText(burnRate) : ''}`]),
    ...(compareWithStable ? [toleranceText(compareWithStable)] : []),
  ];
  if (parts.length > 0) return parts.join(', ');
  if (job) return 'the Job succeeds';
  return webhook ? 'the webhook returns Success' : 'none';
}

function maxOf({ max, burnRate }: MetricSpec): number | undefined {
  return burnRate ? BURN_RATES[burnRate.preset].factor : max;
}

function windowsText({ preset }: BurnRate): string {
  const { short, long } = BURN_RATES[preset];
  return ` over ${short} and ${long}`;
}

/** Whether higher or lower values are better. A metric with a minimum and no maximum is better if higher. */
function better({ successRate, compareWithStable, min, max }: MetricSpec): 'Higher' | 'Lower' {
  if (compareWithStable?.better) return compareWithStable.better;
  return successRate || (min !== undefined && max === undefined) ? 'Higher' : 'Lower';
}

/**
 * Outcome of a result. No data, NaN, and missing data of the stable revision are inconclusive. `earlierEvidence`:
 * of the earlier sequential tests of the delivery.
 */
export function evaluate(spec: MetricSpec, reading: Reading, earlierEvidence = 0): Evaluation {
  if (reading.type === 'Counts') return evaluateCounts(spec, reading, earlierEvidence);
  if (reading.type === 'Samples') return evaluateSamples(spec, reading);
  const { outcome, value, message } = reading;
  if (value === undefined || outcome !== 'Success') {
    return { outcome, ...shown({ value }), ...(message ? { detail: message } : {}) };
  }
  const held = evaluateSamples(spec, { type: 'Samples', samples: [{ labels: {}, value }] });
  return { ...held, detail: message ? `${held.detail}: ${message}` : held.detail };
}

function evaluateSamples(spec: MetricSpec, reading: Extract<Reading, { type: 'Samples' }>): Evaluation {
  const { samples, stable, note } = reading;
  if (samples.length === 0) return { outcome: 'Inconclusive', detail: note ?? 'no data' };
  if (note) return { outcome: 'Inconclusive', detail: note };
  const peers = samples.map((sample) => stable?.find((candidate) => sameSeries(sample, candidate)));
  // A new operation has no counterpart and is not compared. Without any counterpart nothing was compared.
  const comparable = peers.some((peer) => peer !== undefined);
  const judged = samples.map((sample, index) => judgeSample(spec, sample, peers[index], comparable));
  return judged.toSorted((a, b) => severity(a) - severity(b))[0]!.evaluation;
}

interface Judged {
  evaluation: Evaluation;
  /** Rank among values with the same outcome, to select the reported value. */
  rank: number;
}

const ORDER: readonly Outcome[] = ['Failure', 'Inconclusive', 'Success', 'Error'];

function severity({ evaluation, rank }: Judged): number {
  // Larger than any rank, which is between 0 and 1.
  return ORDER.indexOf(evaluation.outcome) * 10 + rank;
}

function judgeSample(
  spec: MetricSpec,
  sample: Sample,
  peer: Sample | undefined,
  comparable: boolean,
): Judged {
  const { value } = sample;
  const name = seriesName(sample);
  const prefix = name ? `${name} ` : '';
  const say = (outcome: Outcome, words: string): Judged => ({
    evaluation: { outcome, ...shown({ value, stable: peer?.value }), detail: `${prefix}${words}` },
    rank: rankOf(spec, value),
  });
  if (Number.isNaN(value)) return say('Inconclusive', 'is NaN, for example because there were no requests');
  const shownValue = format(value);
  if (spec.min !== undefined && value < spec.min)
    return say('Failure', `${shownValue} is less than ${spec.min}`);
  const max = maxOf(spec);
  if (max !== undefined && value > max) return say('Failure', `${shownValue} is more than ${max}`);
  if (!spec.compareWithStable) return say('Success', shownValue);
  if (!peer && comparable)
    return say('Success', `${shownValue}, not compared: the stable revision has no such series`);
  if (!peer || Number.isNaN(peer.value))
    return say('Inconclusive', `${shownValue}, not compared: no data of the stable revision`);
  return compare(spec, value, peer.value, say);
}

function compare(
  spec: MetricSpec,
  value: number,
  stable: number,
  say: (outcome: Outcome, words: string) => Judged,
): Judged {
  const { absolute = 0, relative = 0 } = spec.compareWithStable!;
  const tolerance = Math.max(absolute, (Math.abs(stable) * relative) / 100);
  const worse = better(spec) === 'Higher' ? stable - value : value - stable;
  // Floating point: 0.99 - 0.98 is slightly more than 0.01.
  const failed = worse > tolerance + 1e-12 * Math.max(Math.abs(stable), Math.abs(value));
  const words = `${format(value)}, stable has ${format(stable)}`;
  if (failed) return say('Failure', `${words}: worse by ${format(worse)}, tolerance ${format(tolerance)}`);
  return say('Success', words);
}

/** Whether two series differ only in the revision, which is not a label here. */
function sameSeries(one: Sample, other: Sample): boolean {
  const names = new Set([...Object.keys(one.labels), ...Object.keys(other.labels)]);
  return [...names].every((name) => one.labels[name] === other.labels[name]);
}

/** `GetDeployments`, or `code=500,method=GET`. */
function seriesName({ labels }: Sample): string {
  const { operation, queue, ...rest } = labels;
  const others = Object.entries(rest).map(([label, value]) => `${label}=${value}`);
  return [...(operation ? [operation] : []), ...(queue ? [queue] : []), ...others].join(',');
}

/** Rank from 0 (worst) to 1 (best), for all numbers including infinities. */
function rankOf(spec: MetricSpec, value: number): number {
  if (Number.isNaN(value)) return 0;
  const position = Math.atan(value) / Math.PI + 0.5;
  return better(spec) === 'Higher' ? position : 1 - position;
}

function toleranceText({ absolute, relative }: Comparison): string {
  const parts = [
    ...(absolute === undefined ? [] : [`${absolute}`]),
    ...(relative === undefined ? [] : [`${relative} %`]),
  ];
  return `worse than stable by at most ${parts.join(' or ')}`;
}

function shown({ value, stable }: { value?: number; stable?: number }) {
  return {
    ...(value === undefined ? {} : { value: format(value) }),
    ...(stable === undefined ? {} : { stableValue: format(stable) }),
  };
}
