/** Interval of a sequential test as a sentence, for the page and the status output. */
import type { SequentialStatus } from '../../api/v1alpha1/status/analysis.js';

/** `Search: 0.9 percentage points more failed requests, between 0.4 and 1.6; 512 requests`. */
export function intervalText({
  operation,
  boundary,
  estimate,
  lower,
  upper,
  requests,
}: SequentialStatus): string {
  const subject = operation === undefined ? '' : `${operation}: `;
  const counted = boundary === undefined ? 'failed requests' : `requests above ${boundary} s`;
  const change = `${points(Math.abs(estimate))} percentage points ${estimate < 0 ? 'less' : 'more'} ${counted}`;
  return `${subject}${change}, between ${points(lower)} and ${points(upper)}; ${requests.toLocaleString('en')} requests`;
}

/** Percentage points with three significant digits. */
function points(share: number): string {
  return String(Number((share * 100).toPrecision(3)));
}
