import assert from 'node:assert/strict';
import { mergeResults, summaryOf } from '../../support/results.js';

describe('the summary of a test run', () => {
  it('adds up the counts of all mocha calls, in one last line', () => {
    const results = mergeResults([
      { passed: 2, failed: 0, skipped: 1, timeOfFiles: { 'a.test.ts': 1_000 } },
      { passed: 3, failed: 1, skipped: 0, timeOfFiles: { 'b.test.ts': 2_000 } },
    ]);
    assert.equal(summaryOf(results).split('\n').at(-1), '5 passed, 1 failed, 1 skipped');
  });

  it('names the ten slowest files, the slowest first', () => {
    const timeOfFiles = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`${n}.test.ts`, n * 1_000]));
    const lines = summaryOf({ passed: 12, failed: 0, skipped: 0, timeOfFiles }).split('\n');
    assert.equal(lines.length, 1 + 10 + 1);
    assert.match(lines[1]!, /^ +11\.0 s {2}11\.test\.ts$/);
    assert.match(lines[10]!, /^ +2\.0 s {2}2\.test\.ts$/);
    assert.equal(lines[11], '12 passed, 0 failed');
  });
});
