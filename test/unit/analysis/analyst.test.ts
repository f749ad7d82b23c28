import assert from 'node:assert/strict';
import type { Measurement } from '../../../operator/analysis/analysis-model.js';
import { type AnalysisCase, Analyst } from '../../../operator/analysis/analyst.js';
import type { Request } from '../../../operator/analysis/providers/provider.js';
import { type AnalysisStatus, analysisStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import { pcfApi } from '../../support/fixtures.js';
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

describe('a look at the analysis of a delivery', () => {
  let asked: Request[];
  let finished: Measurement[];
  let analyst: Analyst;

  beforeEach(() => {
    asked = [];
    finished = [];
    analyst = new Analyst({
      finished: () => finished,
      schedule: (_key, requests) => {
        asked = [...requests];
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

  it('starts what is due, waits for nothing and says when to look again', () => {
    const { status, requeueAfterMs } = look(START);
    assert.deepEqual(
      asked.map(({ due }) => due.name),
      ['smoke'],
    );
    assert.equal(requeueAfterMs, MINUTE);
    assert.equal(status.verdict, 'Running');
    assert.match(status.message, /always: waiting for its first measurement.*; smoke: waiting/);
    assert.deepEqual(analysisStatus.parse(status), status);
  });

  it('passes when every metric has what it needs, and the status alone carries it on', () => {
    const first = look(START);
    finished = [done(asked[0]!, 'Success', START)];
    const second = look(START + MINUTE, JSON.parse(JSON.stringify(first.status)));
    finished = [done(asked[0]!, 'Success', START + MINUTE)];
    const third = look(START + MINUTE, second.status);
    assert.equal(third.status.verdict, 'Passed');
    finished = []; // another operator, which knows nothing but the status
    assert.deepEqual(look(START + MINUTE, third.status).status, third.status);
    assert.ok(JSON.stringify(third.status).length < 1_500);
  });

  it('begins the metrics of a step again with the step, and counts the others on', () => {
    const first = look(START);
    finished = [done(asked[0]!, 'Success', START)];
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

    /** Looks, takes what is due a moment later, and looks again. */
    function measure(
      given: Partial<AnalysisCase>,
      outcome: Measurement['outcome'] = 'Success',
      begunAt = now,
    ) {
      status = look(now, status, given).status;
      finished = asked.map((request) => ({ ...done(request, outcome, now), begunAt: iso(begunAt) }));
      status = look(now, status, given).status;
      now += MINUTE;
      return status;
    }

    it('is passed by as many measurements since its share is in force, whatever was measured before', () => {
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

    it('counts for it neither what was begun before it nor what said nothing', () => {
      now += MINUTE;
      const given = at(0, now);
      measure(given, 'Success', now - 1);
      measure(given, 'Inconclusive');
      assert.equal(measure(given).verdict, 'Running');
      assert.equal(measure(given).verdict, 'Passed');
      assert.equal(status!.metrics[0]?.atStep, 2);
    });

    it('keeps its failures over the steps', () => {
      now += MINUTE;
      measure(at(0, now), 'Success');
      measure(at(1, now), 'Success');
      assert.equal(measure(at(2, now), 'Failure').verdict, 'Failed');
      assert.equal(measure(at(3, now)).verdict, 'Failed');
    });

    it('counts the whole delivery where there is none', () => {
      now += MINUTE;
      measure({ ...throughout, step: undefined, steps: [] });
      assert.equal(measure({ ...throughout, step: undefined, steps: [] }).verdict, 'Passed');
      assert.equal(status!.metrics[0]?.atStep, undefined);
    });
  });

  it('begins it again with the next step too, though both name it', () => {
    const twice = { steps: [{ analysis: ['smoke'] }, { analysis: ['smoke'] }] };
    const first = look(START, undefined, twice);
    finished = [done(asked[0]!, 'Success', START)];
    const passed = look(START + 1, first.status, twice).status;
    assert.equal(passed.metrics[1]?.verdict, 'Passed');
    const second = look(START + 2, passed, { ...twice, step: 1 }).status;
    assert.deepEqual([second.metrics[1]?.verdict, second.metrics[1]?.measurements], ['Running', 0]);
  });

  it('asks for the same measurement again while its status can not be written', () => {
    look(START);
    const [first] = asked.map(({ due }) => due);
    look(START + 5);
    assert.deepEqual(
      asked.map(({ due }) => due),
      [first],
    );
    look(START + MINUTE);
    assert.equal(asked.length, 2, 'and the initial delay continues');
    analyst.forget('platform/api');
    look(START + MINUTE);
    assert.equal(asked[0]?.due.since, iso(START + MINUTE));
  });

  it('takes no verdict over from another revision, nor from an earlier try of the same', () => {
    const first = look(START);
    finished = [done(asked[0]!, 'Failure', START)];
    const failed = look(START + 1, first.status).status;
    assert.equal(failed.verdict, 'Failed');
    finished = [];
    const again = { ...subject, startedAt: iso(START + 2) };
    assert.equal(look(START + 2, failed, { subject: again }).status.verdict, 'Running');
    const other = { ...subject, revision: 'api-newer' };
    assert.equal(look(START + 2, failed, { subject: other }).status.verdict, 'Running');
  });
});
