import assert from 'node:assert/strict';
import type { Measurement } from '../../../operator/analysis/analysis-model.js';
import { due, nextDueMs } from '../../../operator/analysis/due.js';
import { judge } from '../../../operator/analysis/judge.js';
import {
  align,
  fresh,
  MAX_DETAIL,
  type MetricCounts,
  record,
} from '../../../operator/analysis/measurement-record.js';
import { iso, next, plannedMetric, START } from './metrics-under-test.js';

const SECOND = 1_000;
const INTERVAL = 30 * SECOND;
const DELAY = 60 * SECOND;

/** Records measurements one interval apart, the first after the initial delay. */
function measured(outcomes: Measurement['outcome'][], more: Partial<Measurement> = {}) {
  let results: MetricCounts[] = [fresh('errors', START)];
  let at = START + DELAY;
  for (const outcome of outcomes) {
    results = record(results, next(results[0]!, outcome, at, more));
    at += INTERVAL;
  }
  return { results, now: at - INTERVAL };
}

function verdictOf(outcomes: Measurement['outcome'][], given: Record<string, unknown> = {}) {
  const { results, now } = measured(outcomes);
  return judge([plannedMetric(given)], results, now).verdict;
}

describe('due measurements', () => {
  const metric = plannedMetric();

  it('returns the first measurement after the initial delay, and the next ones an interval apart', () => {
    const results = [fresh('errors', START)];
    assert.deepEqual(due([metric], results, START + DELAY - 1), []);
    assert.equal(nextDueMs([metric], results, START), DELAY);
    assert.deepEqual(due([metric], results, START + DELAY), [
      { name: 'errors', since: iso(START), number: 0 },
    ]);
    const first = measured(['Success']);
    assert.deepEqual(due([metric], first.results, first.now + INTERVAL - 1), []);
    assert.equal(due([metric], first.results, first.now + INTERVAL)[0]?.number, 1);
  });

  it('retries a failed measurement within 30 s, also with a longer interval', () => {
    const { results, now } = measured(['Error']);
    assert.equal(nextDueMs([plannedMetric({ interval: '10m' })], results, now), 30 * SECOND);
    assert.equal(nextDueMs([plannedMetric({ interval: '5s' })], results, now), 5 * SECOND);
  });

  it('returns none after the analysis failed', () => {
    const { results, now } = measured(['Failure']);
    assert.deepEqual(due([metric], results, now + 10 * INTERVAL), []);
    assert.equal(nextDueMs([metric], results, now), undefined);
  });

  it('stops a metric of a step when its count is reached, and continues the others', () => {
    const { results, now } = measured(['Success', 'Success', 'Success']);
    const ofStep = plannedMetric({}, [{ analysis: ['errors'] }], 0);
    assert.deepEqual(due([ofStep], results, now + INTERVAL), []);
    assert.equal(due([metric], results, now + INTERVAL).length, 1);
  });

  it('continues when the clock was set back by an hour', () => {
    const { results, now } = measured(['Success']);
    assert.equal(due([metric], results, now - 3_600 * SECOND).length, 1);
  });

  it('returns no measurement early when the clock of a new leader is 5 s behind', () => {
    const { results, now } = measured(['Success']);
    assert.deepEqual(due([metric], results, now - 5 * SECOND), []);
  });
});

describe('judge', () => {
  it('is Running until the count is reached, then Passed', () => {
    assert.equal(verdictOf([]), 'Running');
    assert.equal(verdictOf(['Success', 'Success']), 'Running');
    assert.equal(verdictOf(['Success', 'Success', 'Success']), 'Passed');
    assert.equal(verdictOf(['Success'], { count: 1 }), 'Passed');
  });

  it('is permanently Failed after the first failure beyond the limit', () => {
    assert.equal(verdictOf(['Failure']), 'Failed');
    assert.equal(verdictOf(['Failure', 'Success', 'Success'], { failureLimit: 1 }), 'Passed');
    assert.equal(verdictOf(['Failure', 'Success', 'Failure'], { failureLimit: 1 }), 'Failed');
    assert.equal(verdictOf(['Failure', 'Success', 'Success', 'Success']), 'Failed');
  });

  it('never passes without data, and is Inconclusive after more consecutive results without data than the limit', () => {
    assert.equal(verdictOf(Array(3).fill('Inconclusive')), 'Running');
    assert.equal(verdictOf(Array(4).fill('Inconclusive')), 'Inconclusive');
    assert.equal(verdictOf(Array(9).fill('Inconclusive'), { count: 1 }), 'Inconclusive');
    assert.equal(verdictOf(['Success', 'Inconclusive'], { count: 1 }), 'Running');
    assert.equal(verdictOf([...Array(4).fill('Inconclusive'), 'Success'], { count: 1 }), 'Passed');
  });

  it('is Unavailable immediately after a measurement error, and reports the time of the first error in a row', () => {
    const { results, now } = measured(['Success', 'Success', 'Success', 'Error', 'Error', 'Error'], {
      detail: 'Prometheus at http://p: the connection was refused',
    });
    const since = iso(START + DELAY + 3 * INTERVAL);
    assert.deepEqual(
      { ...judge([plannedMetric()], results, now), perMetric: undefined },
      {
        verdict: 'Unavailable',
        message: `errors: measurements fail since ${since}: Prometheus at http://p: the connection was refused`,
        perMetric: undefined,
      },
    );
  });

  it('is Failed for a failed metric while another metric is unavailable', () => {
    const [good, bad] = [plannedMetric({ name: 'away' }), plannedMetric({ name: 'bad' })];
    const fresher = [fresh('away', START), fresh('bad', START)];
    const results = [
      next(fresher[0]!, 'Error', START + DELAY),
      next(fresher[1]!, 'Failure', START + DELAY, { detail: '3 is more than 1' }),
    ].reduce(record, fresher);
    const { verdict, message } = judge([good, bad], results, START + DELAY);
    assert.equal(verdict, 'Failed');
    assert.equal(message, 'bad: 1 measurement failed; last result: 3 is more than 1');
  });

  it('requires a new measurement after a time without an operator', () => {
    const { results, now } = measured(['Success', 'Success', 'Success']);
    const later = now + 10 * INTERVAL;
    const { verdict, message } = judge([plannedMetric()], results, later);
    assert.equal(verdict, 'Running');
    assert.match(message, /waiting for a new measurement, the last one was at 2026-/);
    const ofStep = plannedMetric({}, [{ analysis: ['errors'] }], 0);
    assert.equal(judge([ofStep], results, later).verdict, 'Passed');
  });

  it('reports progress and the last result, in a message that does not change between measurements', () => {
    const { results, now } = measured(['Success', 'Success'], { detail: '0.5' });
    const [first, later] = [now, now + INTERVAL - 1].map((at) => judge([plannedMetric()], results, at));
    assert.equal(first!.message, 'errors: 2 of 3 measurements; last result: 0.5');
    assert.equal(first!.perMetric[0]!.bound, 'at most 1');
    assert.deepEqual(later, first);
    const waiting = judge([plannedMetric()], [fresh('errors', START)], START);
    assert.equal(waiting.message, 'errors: waiting for its first measurement at 2026-11-23T12:01:00.000Z');
  });

  it('passes without metrics', () => {
    assert.equal(judge([], [], START).verdict, 'Passed');
  });
});

describe('record and align', () => {
  it('record counts a measurement once, also if it is reported repeatedly', () => {
    const first = [fresh('errors', START)];
    const measurement = next(first[0]!, 'Failure', START + DELAY, { value: '3' });
    const once = record(first, measurement);
    assert.deepEqual(record(once, measurement), once);
    assert.deepEqual([once[0]!.measurements, once[0]!.failures, once[0]!.value], [1, 1, '3']);
  });

  it('record ignores a measurement of an earlier count of the same metric', () => {
    const old = next(fresh('errors', START), 'Failure', START + DELAY);
    const again = [fresh('errors', START + DELAY + 1)];
    assert.deepEqual(record(again, old), again);
  });

  it('align adds a new metric and removes a deleted one', () => {
    const { results, now } = measured(['Success']);
    const metrics = [plannedMetric({ name: 'new' }), plannedMetric()];
    const aligned = align(metrics, [...results, fresh('gone', START)], now);
    assert.deepEqual(
      aligned.map(({ name, measurements }) => [name, measurements]),
      [
        ['new', 0],
        ['errors', 1],
      ],
    );
  });

  it('record replaces the value with each measurement, and truncates the message of a server', () => {
    const first = record(
      [fresh('errors', START)],
      next(fresh('errors', START), 'Success', START + DELAY, { value: '1', stableValue: '2', detail: 'x' }),
    );
    const second = record(first, next(first[0]!, 'Error', START + 2 * DELAY, { detail: 'y'.repeat(5_000) }));
    assert.deepEqual([second[0]!.value, second[0]!.stableValue], [undefined, undefined]);
    assert.equal(second[0]!.detail?.length, MAX_DETAIL);
  });
});
