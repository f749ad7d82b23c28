/** History of the interval of a sequential test, as a dashboard draws it: bounded, over the whole step. */
import { MAX_INTERVALS, type SequentialStatus } from '../../api/v1alpha1/status/analysis.js';
import type { Interval } from '../analysis-model.js';

/**
 * Adds the interval to the history of the same step and the same test. A full history loses every second point,
 * so that it always reaches back to the start.
 */
export function withHistory(
  interval: Interval,
  before: SequentialStatus | undefined,
  at: string,
): SequentialStatus {
  const isSame =
    before?.since === interval.since &&
    before.operation === interval.operation &&
    before.boundary === interval.boundary;
  const earlier = isSame ? before.history : [];
  const kept = earlier.length < MAX_INTERVALS ? earlier : earlier.filter((_, index) => index % 2 === 0);
  const { lower, upper } = interval;
  return { ...interval, history: [...kept, { at, lower, upper }] };
}
