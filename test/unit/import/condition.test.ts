import assert from 'node:assert/strict';
import { conditionBounds } from '../../../cli/import/common/condition.js';
import { formatDuration, goDuration } from '../../../cli/import/common/go-duration.js';

describe('conditions of AnalysisTemplates', () => {
  const noData = 'a measurement without data is inconclusive: it neither succeeds nor fails';
  for (const [condition, expected] of Object.entries({
    'result[0] >= 0.95': { min: 0.95, remarks: [] },
    'result <= 1e-2': { max: 0.01, remarks: [] },
    '(result[0] < 5)': { max: 5, remarks: ['a value of exactly 5 succeeds'] },
    '0.95 <= result[0]': { min: 0.95, remarks: [] },
    'result[0] >= 1 and result[0] <= 9': { min: 1, max: 9, remarks: [] },
    'result[0] >= 1 && result[0] >= 3': { min: 3, remarks: [] },
    'default(result, 0) <= 5': { max: 5, remarks: [noData] },
    'len(result) == 0 || result[0] <= 5': { max: 5, remarks: [noData] },
    'len(result) > 0 && result[0] <= 5': { max: 5, remarks: [] },
    'isNaN(result) || asFloat(result) >= 2': { min: 2, remarks: [noData] },
    'all(result, # <= 1000)': { max: 1000, remarks: [] },
    'max(result) <= 4': { max: 4, remarks: [] },
  }))
    it(`converts the success condition ${condition}`, () =>
      assert.deepEqual(conditionBounds(condition, 'success'), expected));

  for (const [condition, expected] of Object.entries({
    'result[0] > 10': { max: 10, remarks: [] },
    'result[0] >= 10': { max: 10, remarks: ['a value of exactly 10 succeeds'] },
    'result[0] < 1 || result[0] > 9': { min: 1, max: 9, remarks: [] },
    'len(result) > 0 && result[0] < 1': { min: 1, remarks: [] },
  }))
    it(`converts the failure condition ${condition}`, () =>
      assert.deepEqual(conditionBounds(condition, 'failure'), expected));

  for (const [of, condition] of [
    ['success', 'result == "ok"'],
    ['success', 'result[0] <= 1 || result[0] >= 9'],
    ['success', 'result.errors < 5'],
    ['success', 'result[0] / result[1] < 5'],
    ['success', 'result[0] < result[1]'],
    ['success', 'max(result) >= 4'],
    ['success', 'len(result) > 0'],
    ['success', ''],
    ['failure', 'result[0] > 1 && result[0] < 9'],
    ['failure', 'all(result, # > 5)'],
  ] as const)
    it(`does not convert the ${of} condition "${condition}"`, () =>
      assert.equal(conditionBounds(condition, of), undefined));
});

describe('durations of Go', () => {
  for (const [given, expected] of [
    ['1m30s', '1m30s'],
    ['1.5h', '1h30m'],
    ['90', '1m30s'],
    [45, '45s'],
    ['0', '0s'],
    ['1500us', '2ms'],
    ['10', '10s'],
    ['', undefined],
    ['soon', undefined],
    ['5 m', undefined],
    [-1, undefined],
  ] as const)
    it(`converts ${JSON.stringify(given)} to ${expected}`, () => assert.equal(goDuration(given), expected));

  it('formats milliseconds', () => assert.equal(formatDuration(3_661_001), '1h1m1s1ms'));
});
