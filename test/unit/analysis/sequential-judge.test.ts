import assert from 'node:assert/strict';
import type { Interval } from '../../../operator/analysis/analysis-model.js';
import { boundText } from '../../../operator/analysis/bounds.js';
import { judge } from '../../../operator/analysis/judge.js';
import { fresh, record } from '../../../operator/analysis/measurement-record.js';
import { iso, next, START } from './metrics-under-test.js';
import { MINUTE, sequentialMetric } from './sequential-counts.js';

describe('judge of a sequential metric', () => {
  const metric = sequentialMetric();
  const interval: Interval = {
    ...{ since: iso(START), estimate: 0, lower: -0.1, upper: 0.1, minEffect: 0.01 },
    ...{ requests: 10, stableRequests: 90, evidence: 0, earlierEvidence: 0 },
  };
  const judged = (outcome: 'Success' | 'Failure' | 'Inconclusive', at: number, stepSince = START) => {
    const results = record(
      [{ ...fresh('errors', START), atStep: 0 }],
      next(fresh('errors', START), outcome, at, { detail: 'details', sequential: interval }),
    );
    const [counts] = results;
    const withStep = { ...counts!, atStep: outcome === 'Success' ? 1 : 0 };
    return judge([metric], [withStep], at, iso(stepSince));
  };

  it('has defaults of its own: an early first measurement, short intervals, one decision', () => {
    assert.deepEqual(
      [metric.initialDelayMs, metric.intervalMs, metric.count, metric.failureLimit],
      [0, 5_000, 1, 0],
    );
    const slow = sequentialMetric({ successRate: undefined, latency: {} });
    assert.equal(slow.initialDelayMs, MINUTE);
    assert.equal(sequentialMetric({ interval: '5s', initialDelay: '2m' }).initialDelayMs, 2 * MINUTE);
    assert.equal(boundText(metric.spec), 'success rate less than 0.01 below stable, alpha 0.01');
    assert.equal(boundText(slow.spec), 'less than 20 % slower than stable, alpha 0.01');
  });

  it('passes or fails with one decision, and waits until then', () => {
    assert.equal(judged('Success', START + MINUTE).verdict, 'Passed');
    assert.equal(judged('Failure', START + MINUTE).verdict, 'Failed');
    const { verdict, message } = judged('Inconclusive', START + MINUTE);
    assert.deepEqual([verdict, message], ['Running', 'errors: details']);
  });

  /** The verdict on an undecided test with its first interval at `first`, at another time. */
  const judgedAt = (now: number, first: number | undefined, of = metric, stepSince = START) => {
    const counts = fresh('errors', START);
    const sequential = first === undefined ? {} : { sequential: interval };
    const [recorded] = record([counts], next(counts, 'Inconclusive', first ?? now, { ...sequential }));
    return judge([of], [{ ...recorded!, detail: 'details' }], now, iso(stepSince));
  };

  it('is inconclusive after the time budget, without an abort', () => {
    assert.equal(judgedAt(START + 60 * MINUTE, START + MINUTE).verdict, 'Running');
    const { verdict, message } = judgedAt(START + 61 * MINUTE, START + MINUTE);
    assert.equal(verdict, 'Inconclusive');
    assert.match(
      message,
      /not decided since 2026-.*, within its time budget of 1h; last result: details; kubectl pcf/,
    );
    assert.equal(judged('Success', START + 61 * MINUTE).verdict, 'Passed');
    const restarted = judgedAt(START + 61 * MINUTE, START + MINUTE, metric, START + 2 * MINUTE);
    assert.equal(restarted.verdict, 'Running');
  });

  it('with a time budget of a minute, is not over it before the pods have been scraped', () => {
    const short = sequentialMetric({ sequential: { timeBudget: '1m' } });
    const scrapedAt = START + 1.5 * MINUTE;
    assert.equal(judgedAt(scrapedAt, undefined, short).verdict, 'Running');
    assert.equal(judgedAt(scrapedAt, scrapedAt, short).verdict, 'Running');
    assert.equal(judgedAt(scrapedAt + MINUTE, scrapedAt, short).verdict, 'Inconclusive');
    assert.equal(judgedAt(START + 6 * MINUTE, undefined, short).verdict, 'Inconclusive');
  });
});
