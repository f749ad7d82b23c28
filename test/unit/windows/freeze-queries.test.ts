import assert from 'node:assert/strict';
import { windowTable } from '../../../cli/window.js';
import type { Measurement } from '../../../operator/analysis/analysis-model.js';
import { FreezeQueries, workQueueKey } from '../../../operator/analysis/freeze-queries.js';
import type { Request } from '../../../operator/analysis/providers/provider.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { windows } from '../../../operator/api/v1alpha1/spec/windows.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { windowLines } from '../../../operator/dashboard/view/window-lines.js';
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
      'error-budget: 0.1, measured at 2026-11-30T12:00:00.050Z',
    ]);
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
    assert.match(stale!.reason, /^no value: the last one is of 2026-/);
    assert.equal(restarted.requests.length, 1, 'the measurement is in progress');
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

  it('is measured only while a step can be held', () => {
    const known = [{ revision: 'a', migrations: ['Drop'] }];
    for (const [position, expected] of [
      [{ stable: 'a' }, false],
      [{}, true],
      [{ stable: 'a', update: 'b' }, true],
      [{ stable: 'b' }, true],
      [{ stable: 'a', knownMigrations: known }, true],
    ] as const)
      assert.equal(
        canHoldSteps({ target: 'a', position: position as never }),
        expected,
        JSON.stringify(position),
      );
  });

  it('is not measured for an aborted revision, until its retry is requested', () => {
    const failed = { revision: 'b', at: '2026-11-30T11:00:00Z' };
    const aborted = { target: 'b', position: { stable: 'a', failed } as never };
    assert.equal(canHoldSteps(aborted), false);
    assert.equal(canHoldSteps(aborted, 'b@2026-11-30T10:00:00Z'), false, 'of an earlier failure');
    assert.equal(canHoldSteps(aborted, 'b@2026-11-30T11:00:00Z'), true);
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
