import assert from 'node:assert/strict';
import type { Interval } from '../../../operator/analysis/analysis-model.js';
import { withHistory } from '../../../operator/analysis/sequential/interval-history.js';
import { MAX_INTERVALS, type SequentialStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import { iso, START } from './metrics-under-test.js';

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
