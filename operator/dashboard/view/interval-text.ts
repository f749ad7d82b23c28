/** Interval of a sequential test as a sentence, for the page and the status output. */
import type { SequentialStatus } from '../../api/v1alpha1/status/analysis.js';

/**
 * `Search: failed requests +0.9 percentage points (from +0.4 to +1.6), 512 requests`. A positive number is a
 * regression.
 */
export function intervalText({
  operation,
  boundary,
  estimate,
  lower,
  upper,
  minEffect,
  detectable,
  requests,
}: SequentialStatus): string {
  const subject = operation === undefined ? '' : `${operation}: `;
  const counted = boundary === undefined ? 'failed requests' : `requests above ${boundary} s`;
  const interval = `(from ${points(lower)} to ${points(upper)})`;
  const found = `${subject}${counted} ${points(estimate)} percentage points ${interval}`;
  return `${found}, ${requests.toLocaleString('en')} requests${limits(detectable, minEffect)}`;
}

/** The traffic is too low for the smallest relevant effect: a larger time budget, effect or weight is needed. */
function limits(detectable: number | undefined, minEffect: number): string {
  if (detectable === undefined || detectable <= minEffect) return '';
  const [least, relevant] = [points(detectable), points(minEffect)];
  return `; at this traffic, ${least} or more can be detected within the time budget, not ${relevant}`;
}

/** Percentage points with three significant digits and a sign. */
function points(share: number): string {
  const value = Number((share * 100).toPrecision(3));
  return value > 0 ? `+${value}` : String(value);
}
