import assert from 'node:assert/strict';
import { mergeResults, type Results, summaryOf } from '../../support/runner/results.js';

const NONE: Results = { passed: 0, failed: 0, skipped: 0, failures: [], timeOfFiles: {} };

describe('summaryOf test results', () => {
  it('lists the failures of all mocha calls and adds up their counts in the last line', () => {
    const results = mergeResults([
      { ...NONE, passed: 2, skipped: 1, timeOfFiles: { 'a.test.ts': 1_000 } },
      { ...NONE, passed: 3, failed: 1, failures: ['a suite: a test'] },
    ]);
    const lines = summaryOf(results).split('\n');
    assert.deepEqual(lines, ['  failed: a suite: a test', '5 passed, 1 failed, 1 skipped']);
  });

  it('lists the ten slowest files, the slowest first', () => {
    const timeOfFiles = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${n}.test.ts`, n * 1_000]));
    const lines = summaryOf({ ...NONE, passed: 12, timeOfFiles }).split('\n');
    assert.equal(lines.length, 1 + 10 + 1);
    assert.match(lines[1]!, /^ +11\.0 s {2}11\.test\.ts$/);
    assert.match(lines[10]!, /^ +2\.0 s {2}2\.test\.ts$/);
    assert.equal(lines[11], '12 passed, 0 failed');
  });
});
