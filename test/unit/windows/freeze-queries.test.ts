import assert from 'node:assert/strict';
import { windowTable } from '../../../cli/window.js';
import type { Measurement } from '../../../operator/analysis/analysis-model.js';
import { FreezeQueries, workQueueKey } from '../../../operator/analysis/freeze-queries.js';
import type { Request } from '../../../operator/analysis/providers/provider.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { GATED_STEPS, windows } from '../../../operator/api/v1alpha1/spec/windows.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { windowLines } from '../../../operator/dashboard/view/window-lines.js';
import { announcements } from '../../../operator/reconciler/announce.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import { canHoldSteps, WindowGates, withMeasurements } from '../../../operator/reconciler/window-gates.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const MINUTE = 60_000;
const BUDGET = { name: 'error-budget', query: 'budget{namespace="{{namespace}}"}', below: 0.1 };

const apiWith = (freezeWhen: object[]): PcfApi =>
  pcfApi({
    windows: windows.parse({
      prometheus: { url: 'http://prometheus:9090' },
      freezeWhen,
      applyTo: ['Weight'],
    }),
  });

/** The scheduler, without providers: a test answers the requests. */
class ManualScheduler {
  readonly requests: Request[] = [];
  private readonly measurements = new Map<string, Measurement[]>();

  schedule(_key: string, requests: readonly Request[]): void {
    const isNew = ({ due, subject }: Request) =>
      !this.requests.some((one) => one.due.since === due.since && one.subject.revision === subject.revision);
    this.requests.push(...requests.filter(isNew));
  }

  finished(_key: string, revision: string): Measurement[] {
    return this.measurements.get(revision) ?? [];
  }

  forget(): void {
    this.measurements.clear();
  }

  answer(at: number, result: Pick<Measurement, 'outcome' | 'value' | 'detail'>): void {
    const { due, subject } = this.requests.at(-1)!;
    this.measurements.set(subject.revision, [{ ...due, at: new Date(at).toISOString(), ...result }]);
  }
}

describe('freezeWhen', () => {
  let scheduler: ManualScheduler;
  let queries: FreezeQueries;

  beforeEach(() => {
    scheduler = new ManualScheduler();
    queries = new FreezeQueries(scheduler);
  });

  /** Looks at the time, and writes the result to the status. */
  const look = (api: PcfApi, now: number) => {
    const freeze = queries.look(api, now);
    const gate = withMeasurements(new WindowGates().gateOf(api, [], now, freeze.frozen)!, freeze);
    api.status = { ...api.status, windows: gate.report };
    return { ...freeze, gate };
  };

  it('a value that is not measured yet, below its bound, missing or erroneous freezes, and the status has the value', () => {
    const api = apiWith([BUDGET]);
    assert.match(
      look(api, NOW).gate.held.Weight!,
      /of error-budget of at least 0\.1 \(.*: not measured yet\)$/,
    );
    for (const [result, reason] of [
      [{ outcome: 'Failure', value: '0.04', detail: '0.04 is less than 0.1' }, /: 0\.04 is below 0\.1\)$/],
      [{ outcome: 'Inconclusive', detail: 'no data' }, /: no value: no data\)$/],
      [{ outcome: 'Error', detail: 'Prometheus is unreachable' }, /: no value: Prometheus is unreachable\)$/],
    ] as const) {
      const fresh = apiWith([BUDGET]);
      scheduler = new ManualScheduler();
      queries = new FreezeQueries(scheduler);
      look(fresh, NOW);
      scheduler.answer(NOW + 50, result);
      const { gate } = look(fresh, NOW + 60);
      assert.match(gate.held.Weight!, reason);
      assert.equal(gate.held.Promotion, undefined, 'applyTo');
      const [measured] = gate.report.freezeWhen!;
      assert.deepEqual(
        [measured!.outcome, measured!.value],
        [result.outcome, 'value' in result ? result.value : undefined],
      );
      assert.match(windowTable([fresh]), /spec\.windows\.freezeWhen error-budget/);
    }
  });

  it('a value at its bound opens, and the dashboard shows it', () => {
    const api = apiWith([BUDGET]);
    look(api, NOW);
    scheduler.answer(NOW + 50, { outcome: 'Success', value: '0.1', detail: '0.1' });
    const { gate } = look(api, NOW + 60);
    assert.deepEqual([gate.held, gate.report.state], [{}, 'Open']);
    assert.deepEqual(windowLines(gate.report), [
      'Open',
      'error-budget: open since 2026-11-30T12:00:00.050Z (0.1)',
    ]);
  });

  it('the status changes with the outcome, and not with the value, of a measurement per minute', () => {
    const api = apiWith([BUDGET]);
    look(api, NOW);
    const reports = new Set<string>();
    /** Measures once per interval, with another value and another error message each time. */
    const measure = (from: number, outcome: 'Success' | 'Failure' | 'Error') => {
      for (let minute = from; minute < from + 5; minute++) {
        const at = NOW + minute * MINUTE;
        look(api, at);
        const detail = outcome === 'Error' ? { detail: `request ${minute} failed` } : {};
        scheduler.answer(at, { outcome, value: `${minute / 100}`, ...detail });
        const { gate } = look(api, at + 10);
        reports.add(JSON.stringify([gate.report, gate.held]));
      }
      return look(api, NOW + (from + 5) * MINUTE - 1);
    };
    assert.equal(measure(10, 'Success').gate.held.Weight, undefined, 'the last value is recent');
    assert.equal(reports.size, 1);
    assert.match(measure(15, 'Failure').gate.held.Weight!, /0\.15 is below 0\.1/);
    assert.equal(reports.size, 2);
    assert.match(measure(20, 'Error').gate.held.Weight!, /request 20 failed/);
    assert.equal(reports.size, 3);
    assert.equal(measure(25, 'Success').gate.report.freezeWhen![0]!.value, '0.25');
    assert.equal(reports.size, 4);
    assert.equal(
      new Set(scheduler.requests.map(({ due }) => due.since)).size,
      20,
      'each interval is measured',
    );
  });

  it('the step that waits for the first measurement is unmeasured, also after a restart, and a step that a window holds is not', () => {
    const api = apiWith([BUDGET]);
    assert.deepEqual(look(api, NOW).gate.unmeasured, ['Weight']);
    scheduler.answer(NOW, { outcome: 'Success', value: '1' });
    assert.deepEqual(look(api, NOW + 10).gate.unmeasured, []);
    queries = new FreezeQueries(new ManualScheduler());
    const restarted = look(api, NOW + 60 * MINUTE);
    assert.deepEqual(
      [restarted.gate.unmeasured, restarted.frozen[0]?.reason],
      [['Weight'], 'not measured yet'],
    );
    const both = apiWith([BUDGET]);
    both.spec.windows!.freeze = [{ reason: 'INC-4711' }];
    assert.deepEqual(look(both, NOW).gate.unmeasured, []);
  });

  it('a delivery that waits for the first measurement has its own reason and no Event; a freeze that follows has one', () => {
    const api = apiWith([BUDGET]);
    const observed = { ...observe(api, EMPTY_CLUSTER), missingSecrets: [] };
    const { target } = observed.delivery;
    const held = { step: 'Weight' as const, revision: target, waitingFor: 'a value of error-budget' };
    const traffic = { desiredWeight: 10, effectiveWeight: 10, verified: true };
    const plan = { position: { stable: 'api-old' }, replicas: {}, traffic, decisions: [], held };
    const report = (now: number) => {
      const { gate } = look(api, now);
      const summary = summarize({ ...observed, gate }, plan, now);
      const events = announcements(api, plan, summary, []).map(({ reason }) => reason);
      api.status = { ...api.status, reason: summary.reason };
      return [summary.reason, summary.phase, events];
    };
    assert.deepEqual(report(NOW), ['FreezeNotMeasured', 'Progressing', []]);
    scheduler.answer(NOW, { outcome: 'Failure', value: '0.04' });
    assert.deepEqual(report(NOW + 10), ['WindowClosed', 'Paused', ['WindowClosed']]);
    assert.deepEqual(report(NOW + 20), ['WindowClosed', 'Paused', []]);
  });

  it('is measured once per interval, also over a restart of the operator and a failed write of the status', () => {
    const api = apiWith([BUDGET]);
    look(api, NOW);
    scheduler.answer(NOW, { outcome: 'Success', value: '1' });
    const { status } = api;
    queries.look(api, NOW + 10);
    assert.equal(scheduler.requests.length, 1);
    api.status = status;
    look(api, NOW + 20);
    const restarted = new ManualScheduler();
    queries = new FreezeQueries(restarted);
    for (const at of [NOW + 30, NOW + MINUTE / 2, NOW + MINUTE - 1]) {
      const { frozen, requeueAfterMs } = look(api, at);
      assert.deepEqual([frozen, requeueAfterMs], [[], NOW + MINUTE - at]);
    }
    assert.equal(restarted.requests.length, 0);
    look(api, NOW + MINUTE);
    assert.equal(restarted.requests.length, 1);
    const late = look(api, NOW + MINUTE + 39_000);
    assert.deepEqual([late.frozen, late.requeueAfterMs], [[], 1_000], 'counts until the next one can arrive');
    const [stale] = look(api, NOW + 2 * MINUTE).frozen;
    assert.equal(stale!.reason, 'not measured yet', 'a value from before the restart is too old');
    assert.equal(restarted.requests.length, 1, 'the measurement is in progress');
    restarted.answer(NOW + 2 * MINUTE, { outcome: 'Success', value: '1' });
    assert.deepEqual(look(api, NOW + 2 * MINUTE).frozen, []);
    const [overdue] = look(api, NOW + 5 * MINUTE).frozen;
    assert.match(overdue!.reason, /^no value: the last one is of 2026-11-30T12:02:00/);
  });

  it('an error is retried after at most 30 s, and a clock that is set back does not delay the next measurement', () => {
    const api = apiWith([{ ...BUDGET, interval: '10m' }]);
    look(api, NOW);
    scheduler.answer(NOW, { outcome: 'Error', detail: 'timeout' });
    assert.equal(look(api, NOW + 1_000).requeueAfterMs, 29_000);
    const { length } = scheduler.requests;
    look(api, NOW - 24 * 60 * MINUTE);
    assert.equal(scheduler.requests.length, length + 1);
  });

  it('an edit of the query or of its bound discards the measurement', () => {
    const api = apiWith([BUDGET]);
    look(api, NOW);
    scheduler.answer(NOW, { outcome: 'Success', value: '0.2' });
    assert.deepEqual(look(api, NOW + 10).frozen, []);
    const edited = { ...apiWith([{ ...BUDGET, below: 0.5 }]), status: api.status };
    const { frozen, measured } = look(edited, NOW + 20);
    assert.deepEqual([frozen[0]?.reason, measured], ['not measured yet', []]);
  });

  it('the request has the bound and the placeholders of the PcfApi, and its key is not that of the analysis', () => {
    look(apiWith([BUDGET]), NOW);
    const [{ metric, subject, analysis }] = scheduler.requests as [Request];
    assert.deepEqual(
      [metric.spec.min, metric.spec.query, subject.namespace],
      [0.1, BUDGET.query, 'platform'],
    );
    assert.equal(analysis.prometheus?.url, 'http://prometheus:9090');
    assert.equal(workQueueKey('platform/api/freezeWhen'), 'platform/api');
    assert.equal(workQueueKey('platform/api'), 'platform/api');
  });

  it('is measured only while a step of applyTo can be held', () => {
    const known = [{ revision: 'a', migrations: ['Drop'] }];
    const migrated = [{ name: 'b', replicas: 1, ready: 1, migration: 'Succeeded' as const }];
    const delivering = { target: 'b', position: { stable: 'a', update: 'b' }, revisions: [] };
    const pending = (delivery: object) =>
      GATED_STEPS.filter((step) =>
        canHoldSteps({ target: 'a', position: {}, revisions: [], ...delivery }, [step]),
      );
    assert.deepEqual(pending({ position: { stable: 'a' } }), []);
    assert.deepEqual(pending({}), [], 'a first revision is never held');
    assert.deepEqual(pending({ target: 'b', position: { stable: 'a' } }), ['Start', 'Weight', 'Promotion']);
    assert.deepEqual(pending(delivering), ['Start', 'Weight', 'Promotion'], 'its migrations are pending');
    assert.deepEqual(pending({ ...delivering, revisions: migrated }), ['Weight', 'Promotion']);
    assert.deepEqual(pending({ ...delivering, revisions: migrated, target: 'c' }), [
      'Start',
      'Weight',
      'Promotion',
    ]);
    assert.deepEqual(pending({ position: { stable: 'a', knownMigrations: known } }), ['Contract']);
  });

  it('is not measured for an aborted revision, until its retry is requested', () => {
    const failed = { revision: 'b', at: '2026-11-30T11:00:00Z' };
    const aborted = { target: 'b', position: { stable: 'a', failed } as never, revisions: [] };
    assert.equal(canHoldSteps(aborted, GATED_STEPS), false);
    assert.equal(
      canHoldSteps(aborted, GATED_STEPS, 'b@2026-11-30T10:00:00Z'),
      false,
      'of an earlier failure',
    );
    assert.equal(canHoldSteps(aborted, GATED_STEPS, 'b@2026-11-30T11:00:00Z'), true);
  });

  it('the schema requires a server and rejects an unknown placeholder', () => {
    const { spec } = pcfApi();
    const message = (given: object) => pcfApiSpec.safeParse({ ...spec, windows: given }).error?.message;
    assert.equal(message({ prometheus: { url: 'http://p:9090' }, freezeWhen: [BUDGET] }), undefined);
    assert.match(
      message({ prometheus: { url: 'http://p:9090' }, freezeWhen: [{ name: 'a', query: 'b' }] })!,
      /below/,
    );
  });
});
