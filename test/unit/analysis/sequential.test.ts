import assert from 'node:assert/strict';
import type { Interval, Sample, Windows } from '../../../operator/analysis/analysis-model.js';
import { boundText, evaluate } from '../../../operator/analysis/bounds.js';
import { judge } from '../../../operator/analysis/judge.js';
import { fresh, record } from '../../../operator/analysis/measurement-record.js';
import { COUNTED_LABEL, countsQuery } from '../../../operator/analysis/sequential/counts-query.js';
import { hypotheses } from '../../../operator/analysis/sequential/hypotheses.js';
import { withHistory } from '../../../operator/analysis/sequential/interval-history.js';
import { revisionCounts } from '../../../operator/analysis/sequential/revision-counts.js';
import { boundaries } from '../../../operator/analysis/sequential/slow-requests.js';
import { MAX_INTERVALS, type SequentialStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import { deliver } from '../../bench/verdicts/delivery.js';
import { rulesOf } from '../../bench/verdicts/rules.js';
import { Traffic } from '../../bench/verdicts/traffic.js';
import { iso, next, plannedMetric, START, subject } from './metrics-under-test.js';

const MINUTE = 60_000;
const labels = { namespaceLabel: 'namespace', revisionLabel: 'pcf_dev_revision' };

function sequentialMetric(given: Record<string, unknown> = {}) {
  const metric = { query: undefined, max: undefined, successRate: {}, sequential: {}, ...given };
  return plannedMetric(metric, [{}, {}, {}], 0);
}

/** Series of the query, such as `{ 'requests Search': 100 }`. */
function series(counts: Record<string, number>): Sample[] {
  return Object.entries(counts).map(([key, value]) => {
    const [counted = '', operation, le] = key.split(' ');
    return {
      labels: { [COUNTED_LABEL]: counted, ...(operation ? { operation } : {}), ...(le ? { le } : {}) },
      value,
    };
  });
}

const STABLE = { requests: 20_000, errors: 20, total_requests: 100_000, total_errors: 100 };

/** Pods that are scraped at the same time: both windows are equal. */
function windows(counts: Record<string, number>): Windows {
  return { narrow: series(counts), wide: series(counts), wideSeconds: 600 };
}

function outcomeOf(
  canary: Record<string, number> | Windows,
  stable: Record<string, number> | Windows = STABLE,
  given: Record<string, unknown> = {},
  note?: string,
) {
  const { spec } = sequentialMetric(given);
  const of = (it: Record<string, number> | Windows) =>
    'wideSeconds' in it && Array.isArray(it.wide) ? (it as Windows) : windows(it as Record<string, number>);
  const reading = { type: 'Counts' as const, since: START, at: START + 10 * MINUTE };
  return evaluate(spec, {
    ...{ ...reading, canary: of(canary), stable: of(stable) },
    ...(note ? { note } : {}),
  });
}

describe('sequential test of the success rate', () => {
  it('fails as soon as the regression is significant, and reports its interval', () => {
    const { outcome, value, stableValue, detail, sequential } = outcomeOf({ requests: 1_000, errors: 14 });
    assert.deepEqual([outcome, value, stableValue], ['Failure', '0.986', '0.999']);
    assert.match(detail!, /^0\.986, stable has 0\.999: worse by 0\.00\d+ to 0\.0\d+ \(1000 requests\)$/);
    assert.deepEqual(
      [sequential!.since, sequential!.requests, sequential!.estimate],
      [iso(START), 1_000, 0.013],
    );
    assert.ok(sequential!.lower > 0 && sequential!.lower < 0.013 && sequential!.upper > 0.013);
  });

  it('passes when the regression is less than minEffect, and is undecided before', () => {
    assert.equal(outcomeOf({ requests: 2_000, errors: 2 }).outcome, 'Success');
    const early = outcomeOf({ requests: 100, errors: 0 });
    assert.equal(early.outcome, 'Inconclusive');
    assert.match(early.detail!, /passes below 0\.01, fails above 0$/);
    assert.equal(
      outcomeOf({ requests: 100, errors: 0 }, STABLE, { sequential: { minEffect: 0.2 } }).outcome,
      'Success',
    );
  });

  it('reports the smallest effect that the traffic can show within the time budget', () => {
    const [few, many] = [100, 2_000].map((requests) => outcomeOf({ requests, errors: 0 }).sequential!);
    assert.ok(few!.detectable! > many!.detectable! && many!.detectable! < 0.01, `${few!.detectable}`);
    // Not all pods are scraped since the start: the traffic is unknown.
    const notScraped = outcomeOf({ ...windows({ requests: 100 }), narrow: [] });
    assert.deepEqual([notScraped.sequential!.detectable, notScraped.sequential!.lower], [undefined, -1]);
  });

  it('compares requests of the same time when pods are scraped at different times', () => {
    // An incident of both: 200 of 1,000 requests fail. The newest sample of stable is from before it.
    const canary = {
      ...{ wide: series({ requests: 2_000, errors: 200 }), narrow: series({ requests: 1_000 }) },
      wideSeconds: 600,
    };
    const before = windows({ ...STABLE, requests: 20_000, errors: 0 });
    assert.equal(outcomeOf(canary, before).outcome, 'Inconclusive');
    assert.equal(outcomeOf({ ...canary, narrow: canary.wide }, before).outcome, 'Failure');
  });

  it('does not fail for one error of few requests, which a bound of 0.99 does', () => {
    assert.equal(outcomeOf({ requests: 12, errors: 1 }).outcome, 'Inconclusive');
  });

  it('treats missing data as no evidence, and reports what is missing', () => {
    const canary = { requests: 1_000, errors: 900 };
    for (const [result, expected] of [
      [outcomeOf({}), /^no requests of the new revision since 2026-/],
      [outcomeOf(canary, {}), /^Prometheus has no requests of the stable revision from before 2026-/],
      [outcomeOf(canary, { total_requests: 9, requests: 0 }), /^no requests of the stable revision since/],
      [outcomeOf(canary, { ...STABLE, requests: Number.NaN }), /^no requests of the stable revision since/],
      [outcomeOf({ requests: 10, errors: 11 }), /^the counters of requests contradict each other$/],
      [
        outcomeOf(canary, STABLE, {}, 'the result is incomplete: a part is unavailable'),
        /a part is unavailable$/,
      ],
    ] as const) {
      assert.equal(result.outcome, 'Inconclusive');
      assert.match(result.detail!, expected);
      assert.equal(result.sequential, undefined);
    }
    assert.equal(outcomeOf({ requests: 1_000, errors: Number.NaN }).outcome, 'Inconclusive');
    const unknown = outcomeOf(canary, { ...STABLE, total_errors: Number.NaN });
    assert.deepEqual([unknown.outcome, unknown.sequential], ['Inconclusive', undefined]);
  });

  it('with perOperation, fails on the operation that is worse although the total is not', () => {
    const given = { successRate: { perOperation: true } };
    const stable = {
      ...{ 'requests Search': 50_000, 'errors Search': 50, 'total_requests Search': 90_000 },
      ...{ 'requests Order': 500, 'errors Order': 1, 'total_requests Order': 900, 'total_errors Order': 2 },
    };
    const canary = {
      'requests Search': 50_000,
      'errors Search': 50,
      'requests Order': 500,
      'errors Order': 60,
    };
    const worse = outcomeOf(canary, stable, given);
    assert.deepEqual([worse.outcome, worse.sequential?.operation], ['Failure', 'Order']);
    assert.match(worse.detail!, /^Order 0\.88, stable has 0\.998/);
    const unknown = { ...canary, 'errors Order': 1, 'requests New': 20, 'errors New': 20 };
    assert.equal(outcomeOf(unknown, stable, given).outcome, 'Success');
  });

  it('with perOperation, a test without evidence does not reduce that of the delivery', () => {
    const named = (prefix: string, count: number) => ({
      [`${prefix}requests Search`]: count,
      [`${prefix}requests Order`]: count,
    });
    const stable = { ...named('', 90), ...named('total_', 9_000) };
    const { sequential } = outcomeOf(named('', 1), stable, { successRate: { perOperation: true } });
    assert.ok(Math.abs(sequential!.evidence) < 0.02, `${sequential!.evidence}`);
  });

  it('shares alpha between all operations together and each of them, and never more than alpha', () => {
    const operations = ['A', 'B', 'C', 'D'];
    const counts = (requests: number) =>
      Object.fromEntries(
        operations.flatMap((name, index) => [
          [`requests ${name}`, requests],
          [`total_requests ${name}`, 10 ** index],
        ]),
      );
    const { spec } = sequentialMetric({ successRate: { perOperation: true } });
    const both = (requests: number) => {
      const of = revisionCounts(series(counts(requests)));
      return { narrow: of, wide: of, seconds: 600 };
    };
    const tested = hypotheses(spec, both(10), both(90));
    assert.deepEqual(
      tested.map(({ operation }) => operation),
      [undefined, ...operations],
    );
    const shares = tested.map(({ alphaShare }) => alphaShare);
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
    assert.ok(shares[1]! >= 1 / 16 && shares[4]! > 0.25);
    assert.deepEqual(
      tested.map(({ decidesPass }) => decidesPass),
      [true, false, false, false, false],
    );
  });
});

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
      [0, 10_000, 1, 0],
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

describe('sequential tests of simulated deliveries', () => {
  it('abort no equal revision because of an incident, although its pods are scraped at different times', () => {
    const incident = { name: 'incident', moreErrors: 0, slower: 1, incident: 0.05 };
    const [sequential] = rulesOf(99);
    const outcomes = [30, 120].flatMap((scrapeInterval) =>
      Array.from({ length: 10 }, (_, seed) => {
        const traffic = new Traffic(incident, 2_000, scrapeInterval, seed);
        return deliver(sequential!, traffic).outcome;
      }),
    );
    assert.ok(!outcomes.includes('aborted'), `${outcomes}`);
  });
});

describe('history of an interval', () => {
  const interval: Interval = {
    ...{
      since: iso(START),
      estimate: 0,
      lower: -1,
      upper: 1,
      minEffect: 0.01,
      requests: 1,
      stableRequests: 1,
      evidence: 0,
      earlierEvidence: 0,
    },
  };

  it('is bounded, keeps its first point, and ends with the last interval', () => {
    let status: SequentialStatus | undefined;
    for (let i = 0; i < 1_000; i++) {
      status = withHistory({ ...interval, upper: 1 / (i + 1) }, status, iso(START + i * 1_000));
      assert.ok(status.history.length <= MAX_INTERVALS);
    }
    assert.deepEqual([status!.history[0]!.at, status!.history.at(-1)!.upper], [iso(START), 0.001]);
  });

  it('restarts with the step, and with another operation', () => {
    const first = withHistory(interval, undefined, iso(START));
    assert.equal(withHistory(interval, first, iso(START + 1)).history.length, 2);
    assert.equal(
      withHistory({ ...interval, since: iso(START + 9) }, first, iso(START + 9)).history.length,
      1,
    );
    assert.equal(withHistory({ ...interval, operation: 'A' }, first, iso(START + 9)).history.length, 1);
  });
});

describe('countsQuery', () => {
  it('reads counts since the start, and the counters at that time, for one revision', () => {
    const { spec } = sequentialMetric({ successRate: { perOperation: true } });
    const part = { from: START, to: START + 90_000, isFirst: true };
    const query = countsQuery(spec, labels, subject, part);
    assert.match(
      query,
      /"counted", "requests".* or .*"total_requests".* or .*"errors".* or .*"total_errors"/,
    );
    assert.match(query, /sum by \(operation\)/);
    assert.match(query, /\{namespace="platform",pcf_dev_revision="api-new"\}\[90000ms\]/);
    assert.match(query, /\[10m\] offset 90000ms/);
    assert.doesNotMatch(query, /increase|rate/);
    const process = String.raw`process_start_time_seconds\{[^}]*\}`;
    const restarted = String.raw`\(last_over_time\(${process}\[90000ms\]\) != last_over_time\(${process}\[10m\] offset 90000ms\)\)`;
    assert.match(query, new RegExp(String.raw`resets\([^)]*\) == 0 unless ignoring\([^)]*\) ${restarted}`));
    assert.doesNotMatch(countsQuery(spec, labels, subject, { ...part, isFirst: false }), /total_/);
  });
});
