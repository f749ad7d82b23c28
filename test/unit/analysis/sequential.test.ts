import assert from 'node:assert/strict';
import { countsQuery } from '../../../operator/analysis/sequential/counts-query.js';
import { hypotheses } from '../../../operator/analysis/sequential/hypotheses.js';
import { revisionCounts } from '../../../operator/analysis/sequential/revision-counts.js';
import { deliver } from '../../bench/verdicts/delivery.js';
import { rulesOf } from '../../bench/verdicts/rules.js';
import { Traffic } from '../../bench/verdicts/traffic.js';
import { iso, START, subject } from './metrics-under-test.js';
import { outcomeOf, STABLE, sequentialMetric, series, windows } from './sequential-counts.js';

const labels = { namespaceLabel: 'namespace', revisionLabel: 'pcf_dev_revision' };

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
