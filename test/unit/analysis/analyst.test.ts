import assert from 'node:assert/strict';
import type { Measurement } from '../../../operator/analysis/analysis-model.js';
import { type AnalysisCase, Analyst } from '../../../operator/analysis/analyst.js';
import type { Request } from '../../../operator/analysis/providers/provider.js';
import { type AnalysisStatus, analysisStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { analysisOf, iso, START, subject } from './metrics-under-test.js';

const MINUTE = 60_000;
const analysis = analysisOf({
  count: 1,
  metrics: [
    { name: 'always', query: 'a', max: 1 },
    { name: 'smoke', job: {}, initialDelay: '0s' },
  ],
});
const steps = [{ analysis: ['smoke'] }, {}, { analysis: ['smoke'] }];

describe('Analyst.look', () => {
  let requested: Request[];
  let finished: Measurement[];
  let analyst: Analyst;

  beforeEach(() => {
    requested = [];
    finished = [];
    analyst = new Analyst({
      finished: () => finished,
      schedule: (_key, requests) => {
        requested = [...requests];
      },
      forget: () => {},
    });
  });

  function look(now: number, before?: AnalysisStatus, given: Partial<AnalysisCase> = {}) {
    const of = { api: pcfApi(), analysis, subject, steps, step: 0, before, ...given };
    return analyst.look('platform/api', of, now);
  }

  const done = ({ due }: Request, outcome: Measurement['outcome'], at: number): Measurement => ({
    ...due,
    outcome,
    at: iso(at),
  });

  it('schedules due measurements without waiting, and returns the requeue time', () => {
    const { status, requeueAfterMs } = look(START);
    assert.deepEqual(
      requested.map(({ due }) => due.name),
      ['smoke'],
    );
    assert.equal(requeueAfterMs, MINUTE);
    assert.equal(status.verdict, 'Running');
    assert.match(status.message, /always: waiting for its first measurement.*; smoke: waiting/);
    assert.deepEqual(analysisStatus.parse(status), status);
  });

  it('passes when every metric has enough measurements, and continues from the status after a restart', () => {
    const first = look(START);
    finished = [done(requested[0]!, 'Success', START)];
    const second = look(START + MINUTE, JSON.parse(JSON.stringify(first.status)));
    finished = [done(requested[0]!, 'Success', START + MINUTE)];
    const third = look(START + MINUTE, second.status);
    assert.equal(third.status.verdict, 'Passed');
    finished = []; // another operator, which only has the status
    assert.deepEqual(look(START + MINUTE, third.status).status, third.status);
    assert.ok(JSON.stringify(third.status).length < 1_500);
  });

  it('resets the metrics of a step with the step, and continues to count the others', () => {
    const first = look(START);
    finished = [done(requested[0]!, 'Success', START)];
    const atFirst = look(START + 1, first.status).status;
    assert.equal(atFirst.metrics[1]?.verdict, 'Passed');
    finished = [];
    const between = look(START + 2, atFirst, { step: 1 }).status;
    assert.deepEqual(
      between.metrics.map(({ name, since }) => [name, since]),
      [['always', iso(START)]],
    );
    const last = look(START + 3, between, { step: 2 }).status;
    assert.deepEqual(
      last.metrics.map(({ since }) => since),
      [iso(START), iso(START + 3)],
    );
    assert.equal(last.verdict, 'Running');
  });

  describe('with a sequential test', () => {
    const sequential = { name: 'rate', successRate: {}, sequential: {} };
    const given = (since: number, weight = 5, step = 0) => ({
      analysis: analysisOf({ metrics: [sequential] }),
      ...{ steps: [{}, {}], step, stepSince: iso(since), subject: { ...subject, weight } },
    });
    /** Result of the measurement that was requested last. */
    const measured = (evidence: number, at: number): Measurement => ({
      ...done(requested[0]!, 'Inconclusive', at),
      sequential: {
        ...{ since: iso(requested[0]!.countFrom!), estimate: 0, lower: -1, upper: 1, minEffect: 0.01 },
        ...{ requests: 10, stableRequests: 90 },
        ...{ evidence, earlierEvidence: requested[0]!.earlierEvidence! },
      },
    });
    const test = () => [requested[0]!.countFrom, requested[0]!.earlierEvidence];

    it('counts requests since the weight and the step are in effect, and restarts with each change', () => {
      const first = look(START, undefined, given(START));
      assert.deepEqual(test(), [START, 0]);
      finished = [measured(1, START + 1_000)];
      const { status } = look(START + MINUTE, first.status, given(START));
      assert.deepEqual(test(), [START, 0]);
      assert.deepEqual(analysisStatus.parse(status), status);
      // Pods became unready: the weight is lower within the step.
      const lower = look(START + MINUTE, status, given(START, 3)).status;
      assert.deepEqual(test(), [START + MINUTE, 1]);
      assert.deepEqual([lower.weight, lower.weightSince], [3, iso(START + MINUTE)]);
      look(START + 2 * MINUTE, lower, given(START, 3));
      assert.deepEqual(test(), [START + MINUTE, 1]);
      look(START + 3 * MINUTE, lower, given(START + 3 * MINUTE, 3, 1));
      assert.deepEqual(test(), [START + 3 * MINUTE, 1]);
    });

    it('never counts requests in two tests of a delivery when the initial delay is edited', () => {
      const delayed = (initialDelay: string) => ({
        ...given(START),
        analysis: analysisOf({ metrics: [{ ...sequential, initialDelay }] }),
      });
      const waiting = look(START, undefined, delayed('60s'));
      look(START + MINUTE, waiting.status, delayed('60s'));
      assert.deepEqual(test(), [START + MINUTE, 0]);
      finished = [measured(1, START + 3 * MINUTE)];
      const { status } = look(START + 4 * MINUTE, waiting.status, delayed('60s'));
      look(START + 4 * MINUTE, status, delayed('30s'));
      assert.deepEqual(test(), [START + MINUTE, 0], 'a shorter delay continues the test');
      finished = [];
      const longer = look(START + 4 * MINUTE, status, delayed('120s')).status;
      assert.deepEqual(test(), [START + 3 * MINUTE, 1], 'a longer one starts a test after the last interval');
      finished = [measured(2, START + 5 * MINUTE)];
      look(START + 6 * MINUTE, longer, delayed('120s'));
      assert.deepEqual(test(), [START + 3 * MINUTE, 1]);
    });

    it('keeps the evidence over steps, for a metric that only some steps name', () => {
      const named = (step: number) => ({
        ...given(START + step * MINUTE, 5 + step, step),
        steps: [{ analysis: ['rate'] }, {}, { analysis: ['rate'] }],
        analysis: analysisOf({ metrics: [sequential, { name: 'always', query: 'a', max: 1 }] }),
      });
      const first = look(START, undefined, named(0));
      finished = [measured(2, START + 1_000)];
      const { status } = look(START + MINUTE, first.status, named(0));
      finished = [];
      const between = look(START + MINUTE, status, named(1)).status;
      assert.deepEqual(between.evidence, [{ metric: 'rate', value: 2 }]);
      const last = look(START + 2 * MINUTE, between, named(2)).status;
      assert.equal(requested.find(({ metric }) => metric.name === 'rate')?.earlierEvidence, 2);
      assert.deepEqual(analysisStatus.parse(last), last);
      const retried = { ...named(0), subject: { ...subject, startedAt: iso(START + 1) } };
      assert.equal(look(START + 2 * MINUTE, last, retried).status.evidence, undefined);
    });
  });

  describe('at a step', () => {
    const throughout = {
      analysis: analysisOf({
        count: 2,
        initialDelay: '0s',
        metrics: [{ name: 'always', query: 'a', max: 1 }],
      }),
    };
    const at = (index: number, since: number) => ({ ...throughout, step: index, stepSince: iso(since) });
    let status: AnalysisStatus | undefined;
    let now: number;

    beforeEach(() => {
      status = undefined;
      now = START;
    });

    /** Calls look, takes the due measurements, and calls look again. */
    function measure(
      given: Partial<AnalysisCase>,
      outcome: Measurement['outcome'] = 'Success',
      begunAt = now,
    ) {
      status = look(now, status, given).status;
      finished = requested.map((request) => ({ ...done(request, outcome, now), begunAt: iso(begunAt) }));
      status = look(now, status, given).status;
      now += MINUTE;
      return status;
    }

    it('passes after enough measurements since its weight is in effect, without counting earlier ones', () => {
      now += MINUTE;
      const first = at(0, now);
      assert.equal(measure(first).verdict, 'Running');
      assert.equal(measure(first).verdict, 'Passed');
      const second = at(1, now);
      assert.deepEqual(
        [look(now, status, second).status.verdict, look(now, status, second).status.stepSince],
        ['Running', second.stepSince],
      );
      assert.match(measure(second).message, /1 of 2 measurements at this step/);
      assert.equal(measure(second).verdict, 'Passed');
      assert.deepEqual([status!.metrics[0]?.measurements, status!.metrics[0]?.atStep], [4, 2]);
      assert.deepEqual(analysisStatus.parse(status), status);
    });

    it('does not count measurements that started before the step or that are inconclusive', () => {
      now += MINUTE;
      const given = at(0, now);
      measure(given, 'Success', now - 1);
      measure(given, 'Inconclusive');
      assert.equal(measure(given).verdict, 'Running');
      assert.equal(measure(given).verdict, 'Passed');
      assert.equal(status!.metrics[0]?.atStep, 2);
    });

    it('keeps failures of earlier steps', () => {
      now += MINUTE;
      measure(at(0, now), 'Success');
      measure(at(1, now), 'Success');
      assert.equal(measure(at(2, now), 'Failure').verdict, 'Failed');
      assert.equal(measure(at(3, now)).verdict, 'Failed');
    });

    it('counts the whole delivery when there are no steps', () => {
      now += MINUTE;
      measure({ ...throughout, step: undefined, steps: [] });
      assert.equal(measure({ ...throughout, step: undefined, steps: [] }).verdict, 'Passed');
      assert.equal(status!.metrics[0]?.atStep, undefined);
    });
  });

  it('resets a metric with the next step, also if both steps contain it', () => {
    const twice = { steps: [{ analysis: ['smoke'] }, { analysis: ['smoke'] }] };
    const first = look(START, undefined, twice);
    finished = [done(requested[0]!, 'Success', START)];
    const passed = look(START + 1, first.status, twice).status;
    assert.equal(passed.metrics[1]?.verdict, 'Passed');
    const second = look(START + 2, passed, { ...twice, step: 1 }).status;
    assert.deepEqual([second.metrics[1]?.verdict, second.metrics[1]?.measurements], ['Running', 0]);
  });

  it('schedules the same measurement again while the status cannot be written', () => {
    look(START);
    const [first] = requested.map(({ due }) => due);
    look(START + 5);
    assert.deepEqual(
      requested.map(({ due }) => due),
      [first],
    );
    look(START + MINUTE);
    assert.equal(requested.length, 2, 'the initial delay continues');
    analyst.forget('platform/api');
    look(START + MINUTE);
    assert.equal(requested[0]?.due.since, iso(START + MINUTE));
  });

  it('ignores the verdict of another revision and of an earlier attempt', () => {
    const first = look(START);
    finished = [done(requested[0]!, 'Failure', START)];
    const failed = look(START + 1, first.status).status;
    assert.equal(failed.verdict, 'Failed');
    finished = [];
    const again = { ...subject, startedAt: iso(START + 2) };
    assert.equal(look(START + 2, failed, { subject: again }).status.verdict, 'Running');
    const other = { ...subject, revision: 'api-newer' };
    assert.equal(look(START + 2, failed, { subject: other }).status.verdict, 'Running');
  });
});
