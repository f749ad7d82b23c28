import assert from 'node:assert/strict';
import { revisionCounts } from '../../../operator/analysis/sequential/revision-counts.js';
import { boundaries } from '../../../operator/analysis/sequential/slow-requests.js';
import { outcomeOf, series } from './sequential-counts.js';

describe('sequential test of the latency', () => {
  const given = { successRate: undefined, latency: {} };
  /** Shares of requests above 0.1 and above 0.25 seconds. */
  const histogram = (prefix: string, total: number, [slow, slower]: [number, number]) => ({
    [`${prefix}requests`]: total,
    ...Object.fromEntries(
      [
        [0.05, 0.4],
        [0.1, slow],
        [0.25, slower],
        [1, 0],
      ].map(([le, share]) => [`${prefix}buckets  ${le}`, Math.round(total * (1 - share!))]),
    ),
    [`${prefix}buckets  +Inf`]: total,
  });
  const stable = {
    ...histogram('', 40_000, [0.04, 0.004]),
    ...histogram('total_', 400_000, [0.04, 0.004]),
  };

  it('fails when more requests are above the boundaries around the percentile of stable', () => {
    const worse = outcomeOf(histogram('', 3_000, [0.07, 0.012]), stable, given);
    assert.equal(worse.outcome, 'Failure');
    assert.ok([0.1, 0.25].includes(worse.sequential!.boundary!));
    assert.match(worse.detail!, /above 0\.\d+ s, stable has 0\.0/);
    const slight = outcomeOf(histogram('', 3_000, [0.041, 0.0041]), stable, given);
    assert.equal(slight.outcome, 'Inconclusive');
    assert.equal(outcomeOf(histogram('', 60_000, [0.04, 0.004]), stable, given).outcome, 'Success');
  });

  it('is inconclusive without a histogram of the stable revision', () => {
    const { requests, total_requests } = stable as Record<string, number>;
    const none = outcomeOf(
      histogram('', 3_000, [1, 1]),
      { requests: requests!, total_requests: total_requests! },
      given,
    );
    assert.equal(none.outcome, 'Inconclusive');
  });

  it('chooses the boundaries around the percentile, and the effect of a uniform slowdown at them', () => {
    const counts = revisionCounts(series(stable)).get('')!;
    const [nearest, other] = boundaries(counts, 99, 0.2);
    assert.deepEqual([nearest?.seconds, other?.seconds], [0.25, 0.1]);
    assert.ok(nearest!.effect > 0.001 && nearest!.effect < 0.01, `${nearest!.effect}`);
    assert.ok(other!.effect > nearest!.effect);
    assert.ok(boundaries(counts, 99, 0.5)[0]!.effect > nearest!.effect);
    assert.deepEqual(
      boundaries(counts, 10, 0.2).map(({ seconds }) => seconds),
      [0.05],
    );
    assert.deepEqual(
      boundaries(counts, 99.99, 0.2)
        .map(({ seconds }) => seconds)
        .toSorted(),
      [0.25, 1],
    );
  });

  it('passes a revision whose requests are all faster than the first boundary', () => {
    const fast = (prefix: string, total: number) => ({
      [`${prefix}requests`]: total,
      ...Object.fromEntries(['0.005', '0.01', '+Inf'].map((le) => [`${prefix}buckets  ${le}`, total])),
    });
    const both = { ...fast('', 90_000), ...fast('total_', 90_000) };
    assert.equal(outcomeOf(fast('', 8_000), both, given).outcome, 'Success');
    assert.equal(outcomeOf({ ...fast('', 500), 'buckets  0.005': 450 }, both, given).outcome, 'Failure');
  });

  it('uses the last boundary when the percentile is above it', () => {
    const slow = {
      total_requests: 100,
      'total_buckets  1': 50,
      'total_buckets  2.5': 60,
      'total_buckets  +Inf': 100,
    };
    const counts = revisionCounts(series(slow)).get('')!;
    assert.deepEqual(
      boundaries(counts, 99, 0.2).map(({ seconds }) => seconds),
      [2.5],
    );
  });
});
