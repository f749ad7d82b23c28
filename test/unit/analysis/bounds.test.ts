import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Sample } from '../../../operator/analysis/analysis-model.js';
import { boundText, evaluate } from '../../../operator/analysis/bounds.js';
import { plannedMetric } from './metrics-under-test.js';

const one = (value: number): Sample[] => [{ labels: {}, value }];
const perOperation = (values: Record<string, number>): Sample[] =>
  Object.entries(values).map(([operation, value]) => ({ labels: { operation }, value }));
const spec = (given: Record<string, unknown>) => plannedMetric({ max: undefined, ...given }).spec;
const judge = (given: Record<string, unknown>, samples: Sample[], stable?: Sample[]) =>
  evaluate(spec(given), { type: 'Samples', samples, stable });

describe('evaluate, bounds of a metric', () => {
  it('includes the limits min and max', () => {
    assert.deepEqual(judge({ min: 0.99 }, one(0.99)), { outcome: 'Success', value: '0.99', detail: '0.99' });
    assert.deepEqual(judge({ min: 0.99 }, one(0.9899)), {
      outcome: 'Failure',
      value: '0.9899',
      detail: '0.9899 is less than 0.99',
    });
    assert.equal(judge({ max: 0.5 }, one(0.5)).outcome, 'Success');
    assert.equal(judge({ max: 0.5 }, one(0.51)).detail, '0.51 is more than 0.5');
    assert.equal(judge({ max: 0.5 }, one(Number.POSITIVE_INFINITY)).outcome, 'Failure');
  });

  it('returns Inconclusive for no data and for NaN', () => {
    assert.deepEqual(judge({ min: 0.99 }, []), { outcome: 'Inconclusive', detail: 'no data' });
    const nan = judge({ min: 0.99 }, one(Number.NaN));
    assert.equal(nan.outcome, 'Inconclusive');
    assert.match(nan.detail!, /is NaN/);
  });

  it('evaluates every series and reports the worst one', () => {
    const evaluation = judge(
      { min: 0.9, successRate: {}, query: undefined },
      perOperation({ A: 1, B: 0.2, C: 0.5 }),
    );
    assert.deepEqual(evaluation, { outcome: 'Failure', value: '0.2', detail: 'B 0.2 is less than 0.9' });
    const slow = judge({ max: 1, latency: {}, query: undefined }, perOperation({ A: 0.1, B: 0.7 }));
    assert.deepEqual([slow.outcome, slow.detail], ['Success', 'B 0.7']);
  });

  it('fails with a failed series, and is inconclusive with a series without data', () => {
    assert.equal(judge({ min: 0.9 }, perOperation({ A: Number.NaN, B: 0.1 })).outcome, 'Failure');
    assert.equal(judge({ min: 0.9 }, perOperation({ A: Number.NaN, B: 1 })).outcome, 'Inconclusive');
  });

  it('does not round 0.999987 to 1', () => {
    assert.equal(judge({ min: 0 }, one(0.999987)).value, '0.999987');
    assert.equal(judge({ min: 0 }, one(0.123456)).value, '0.1235');
    assert.equal(judge({ min: 0 }, one(12_345)).value, '12345');
  });

  it('boundText describes the bounds', () => {
    const comparison = { absolute: 0.01, relative: 5 };
    assert.equal(
      boundText(spec({ min: 0.9, max: 1, compareWithStable: comparison })),
      'at least 0.9, at most 1, worse than stable by at most 0.01 or 5 %',
    );
    assert.equal(boundText(spec({ query: undefined, job: {} })), 'the Job succeeds');
    assert.equal(
      boundText(spec({ query: undefined, webhook: { url: 'https://a.test' } })),
      'the webhook returns Success',
    );
  });
});

describe('evaluate, burn rate', () => {
  const burn = (preset: string) => ({
    query: undefined,
    max: undefined,
    burnRate: { objective: 0.999, preset },
  });

  it('fails above the burn rate of its preset', () => {
    assert.equal(judge(burn('Fast'), one(14.4)).outcome, 'Success');
    assert.equal(judge(burn('Fast'), one(14.5)).detail, '14.5 is more than 14.4');
    assert.equal(judge(burn('Medium'), one(6.1)).outcome, 'Failure');
    assert.equal(judge(burn('Slow'), one(1.1)).outcome, 'Failure');
    assert.equal(boundText(spec(burn('Medium'))), 'at most 6 over 30m and 6h');
  });
});

describe('evaluate, compareWithStable', () => {
  const rate = (compareWithStable: object) => ({ query: undefined, successRate: {}, compareWithStable });
  const time = (compareWithStable: object) => ({ query: undefined, latency: {}, compareWithStable });

  it('applies the tolerance only in the worse direction', () => {
    assert.equal(judge(rate({ absolute: 0.01 }), one(0.98), one(0.99)).outcome, 'Success');
    assert.deepEqual(judge(rate({ absolute: 0.01 }), one(0.97), one(0.99)), {
      outcome: 'Failure',
      value: '0.97',
      stableValue: '0.99',
      detail: '0.97, stable has 0.99: worse by 0.02, tolerance 0.01',
    });
    assert.equal(judge(rate({ absolute: 0.01 }), one(1), one(0.5)).outcome, 'Success');
    assert.equal(judge(time({ relative: 20 }), one(0.12), one(0.1)).outcome, 'Success');
    assert.equal(judge(time({ relative: 20 }), one(0.13), one(0.1)).outcome, 'Failure');
    assert.equal(judge(time({ relative: 20 }), one(0.01), one(0.1)).outcome, 'Success');
    const own = { absolute: 1, better: 'Higher' };
    assert.equal(judge({ compareWithStable: own }, one(8), one(10)).outcome, 'Failure');
    assert.equal(
      judge({ compareWithStable: { ...own, better: 'Lower' } }, one(8), one(10)).outcome,
      'Success',
    );
  });

  it('uses the greater of the absolute and the relative tolerance', () => {
    const both = { absolute: 0.05, relative: 10 };
    assert.equal(judge(time(both), one(0.14), one(0.1)).outcome, 'Success');
    assert.equal(judge(time(both), one(1.09), one(1)).outcome, 'Success');
    assert.equal(judge(time(both), one(1.11), one(1)).outcome, 'Failure');
  });

  it('returns Inconclusive when the stable revision has no data', () => {
    for (const stable of [undefined, [], one(Number.NaN), perOperation({ A: 1 })]) {
      const { outcome, detail } = judge(rate({ absolute: 0.01 }), one(1), stable);
      assert.equal(outcome, 'Inconclusive');
      assert.match(detail!, /no data of the stable revision/);
    }
  });

  it('compares each operation with the same operation of the stable revision, and accepts a new one', () => {
    const given = rate({ absolute: 0.01 });
    const stable = perOperation({ A: 0.99, B: 0.5 });
    assert.equal(judge(given, perOperation({ A: 0.99, B: 0.5 }), stable).outcome, 'Success');
    assert.match(judge(given, perOperation({ A: 0.9, B: 0.5 }), stable).detail!, /^A 0.9, stable has 0.99/);
    assert.equal(judge(given, perOperation({ A: 0.99, New: 0.1 }), stable).outcome, 'Success');
    assert.equal(judge(given, perOperation({ New: 0.1 }), stable).outcome, 'Inconclusive');
  });

  it('applies in addition to the other bounds', () => {
    const given = { ...rate({ absolute: 0.1 }), min: 0.95 };
    assert.equal(judge(given, one(0.94), one(0.94)).outcome, 'Failure');
  });

  it('never fails for equal values', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        fc.constantFrom('Higher', 'Lower'),
        (value, absolute, better) => {
          const { outcome } = judge({ compareWithStable: { absolute, better } }, one(value), one(value));
          assert.equal(outcome, 'Success');
        },
      ),
    );
  });
});

describe('evaluate, verdict of a webhook', () => {
  const webhook = { query: undefined, webhook: { url: 'https://judge.test' } };

  it('is used unchanged without a value', () => {
    const reading = { type: 'Verdict', outcome: 'Failure', message: 'two orders were lost' } as const;
    assert.deepEqual(evaluate(spec(webhook), reading), {
      outcome: 'Failure',
      detail: 'two orders were lost',
    });
  });

  it('fails when its value violates the bounds', () => {
    const bounded = { ...webhook, max: 3 };
    const evaluateValue = (value: number) =>
      evaluate(spec(bounded), { type: 'Verdict', outcome: 'Success', value, message: 'm' });
    assert.deepEqual(evaluateValue(2), { outcome: 'Success', value: '2', detail: '2: m' });
    assert.deepEqual(evaluateValue(4), { outcome: 'Failure', value: '4', detail: '4 is more than 3: m' });
  });
});
