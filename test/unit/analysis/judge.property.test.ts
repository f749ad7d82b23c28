import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Measurement, PlannedMetric } from '../../../operator/analysis/analysis-model.js';
import { due } from '../../../operator/analysis/due.js';
import { judge } from '../../../operator/analysis/judge.js';
import {
  align,
  conclusive,
  type MetricCounts,
  record,
} from '../../../operator/analysis/measurement-record.js';
import { OUTCOMES, type Outcome } from '../../../operator/api/v1alpha1/status/analysis.js';
import { propertyRuns } from '../../support/runner/property-runs.js';
import { iso, plannedMetric, START } from './metrics-under-test.js';

/** Events between two reconciles. */
type HistoryEvent =
  | { type: 'wait'; ms: number }
  | { type: 'measure'; outcome: Outcome }
  | { type: 'report again' }
  | { type: 'crash' }
  | { type: 'status not written' }
  | { type: 'stale read' };

const historyEvent: fc.Arbitrary<HistoryEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 90_000 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('measure' as const), outcome: fc.constantFrom(...OUTCOMES) }),
  },
  fc.record({
    type: fc.constantFrom(
      'report again' as const,
      'crash' as const,
      'status not written' as const,
      'stale read' as const,
    ),
  }),
);

const metric: fc.Arbitrary<PlannedMetric> = fc
  .record({
    count: fc.integer({ min: 1, max: 5 }),
    failureLimit: fc.integer({ min: 0, max: 3 }),
    inconclusiveLimit: fc.integer({ min: 0, max: 3 }),
    interval: fc.constantFrom('10s', '30s', '1m'),
    initialDelay: fc.constantFrom('0s', '20s'),
    ofStep: fc.boolean(),
  })
  .map(({ ofStep, ...given }) =>
    plannedMetric(given, ofStep ? [{ analysis: ['errors'] }] : undefined, ofStep ? 0 : undefined),
  );

interface Truth {
  outcomes: Outcome[];
  times: number[];
}

/** Replays a history like the analyst and the scheduler, and calls the check with the counts and the real outcomes after each step. */
function play(
  planned: PlannedMetric,
  history: HistoryEvent[],
  check: (results: MetricCounts[], truth: Truth, now: number) => void,
) {
  let now = START;
  let status: MetricCounts[] = [];
  let older = status;
  let memory: Measurement[] = [];
  let writeFails = false;
  let readsStale = false;
  // Keyed by number, so that a measurement that was lost and repeated counts once.
  const truth = new Map<number, { outcome: Outcome; at: number }>();
  for (const event of [...history, { type: 'wait' as const, ms: 0 }]) {
    if (event.type === 'wait') now += event.ms;
    if (event.type === 'crash') memory = [];
    if (event.type === 'status not written') writeFails = true;
    if (event.type === 'stale read') readsStale = true;
    const read = readsStale ? older : status;
    readsStale = false;
    let results = memory.reduce(record, align([planned], read, now));
    if (event.type === 'report again') results = memory.reduce(record, results);
    const requested = due([planned], results, now);
    assert.ok(requested.length <= 1);
    if (event.type === 'measure' && requested[0]) {
      const measurement = { ...requested[0], at: iso(now), outcome: event.outcome };
      memory = [measurement];
      results = record(results, measurement);
    }
    if (writeFails) {
      writeFails = false;
      continue;
    }
    if (canonical(results) !== canonical(status)) older = status;
    status = results;
    const last = memory[0];
    if (last && status[0]!.since === last.since && status[0]!.measurements === last.number + 1)
      truth.set(last.number, { outcome: last.outcome, at: Date.parse(last.at) });
    const taken = [...truth.entries()].filter(([number]) => number < status[0]!.measurements);
    check(
      status,
      { outcomes: taken.map(([, { outcome }]) => outcome), times: taken.map(([, { at }]) => at) },
      now,
    );
  }
}

function canonical(results: MetricCounts[]): string {
  return JSON.stringify(results);
}

describe('analysis with random measurements, crashes, lost writes and stale reads', () => {
  it('counts every measurement once', () => {
    fc.assert(
      fc.property(metric, fc.array(historyEvent, { maxLength: 60 }), (planned, history) => {
        play(planned, history, ([counts], { outcomes }) => {
          const count = (outcome: Outcome) => outcomes.filter((it) => it === outcome).length;
          assert.deepEqual(
            [counts!.measurements, counts!.failures, counts!.inconclusive, counts!.errors],
            [outcomes.length, count('Failure'), count('Inconclusive'), count('Error')],
          );
          const last = outcomes.at(-1);
          const others = outcomes.findLastIndex((it) => it !== last);
          assert.equal(counts!.inARow, outcomes.length - others - 1);
        });
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });

  it('passes only with enough conclusive measurements including the last one, and failures within the limit', () => {
    fc.assert(
      fc.property(metric, fc.array(historyEvent, { maxLength: 60 }), (planned, history) => {
        play(planned, history, (results, { outcomes }, now) => {
          const { verdict } = judge([planned], results, now);
          const withResult = outcomes.filter((it) => it === 'Success' || it === 'Failure');
          const failures = outcomes.filter((it) => it === 'Failure').length;
          if (verdict === 'Passed') {
            assert.ok(withResult.length >= planned.count);
            assert.ok(failures <= planned.failureLimit);
            assert.ok(['Success', 'Failure'].includes(outcomes.at(-1)!));
          }
          assert.equal(verdict === 'Failed', failures > planned.failureLimit);
          if (outcomes.at(-1) === 'Error' && verdict !== 'Failed') assert.equal(verdict, 'Unavailable');
          assert.equal(conclusive(results[0]!), withResult.length);
        });
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });

  it('waits for the initial delay before the first measurement, and for the interval between two', () => {
    fc.assert(
      fc.property(metric, fc.array(historyEvent, { maxLength: 60 }), (planned, history) => {
        play(planned, history, (results, { outcomes, times }) => {
          for (const [index, at] of times.entries()) {
            const from = index === 0 ? Date.parse(results[0]!.since) : times[index - 1]!;
            const retry = outcomes[index - 1] === 'Error' ? 30_000 : Number.POSITIVE_INFINITY;
            const pause = index === 0 ? planned.initialDelayMs : Math.min(planned.intervalMs, retry);
            assert.ok(
              at - from >= pause,
              `${at - from} ms after the previous measurement, ${pause} ms are required`,
            );
          }
        });
      }),
      { numRuns: propertyRuns(1_000) },
    );
  });

  it('reaches a final verdict with successful measurements after any history', () => {
    fc.assert(
      fc.property(metric, fc.array(historyEvent, { maxLength: 30 }), (planned, history) => {
        const good = Array.from({ length: 20 }, (): HistoryEvent[] => [
          { type: 'wait', ms: 60_000 },
          { type: 'measure', outcome: 'Success' },
        ]).flat();
        let verdict = '';
        play(planned, [...history, ...good], (results, _truth, now) => {
          verdict = judge([planned], results, now).verdict;
        });
        assert.ok(['Passed', 'Failed'].includes(verdict), verdict);
      }),
    );
  });
});
