import assert from 'node:assert/strict';
import type { WindowsStatus } from '../../../operator/api/v1alpha1/status/windows.js';
import type { DeliveryRecord } from '../../../operator/api/v1alpha1/status.js';
import { figures } from '../../../operator/dashboard/view/figures.js';
import { detail, listRow } from '../../../operator/dashboard/view/page-view.js';
import { podLines } from '../../../operator/dashboard/view/pod-lines.js';
import { WeightHistory } from '../../../operator/dashboard/weight-history.js';
import type { Pod } from '../../../operator/reconciler/pod-state.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 12, minute)).toISOString();

function pod(name: string, more: object = {}, revision = 'api-old'): Pod {
  const labels = { 'app.kubernetes.io/component': 'api', 'pcf.dev/revision': revision };
  const { metadata, ...rest } = { metadata: {}, ...more };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels, ...metadata }, ...rest } as Pod;
}

describe('dashboard view', () => {
  it('podLines returns the state of each pod, and the cause of a failure', () => {
    const waiting = (reason: string) => ({
      status: { containerStatuses: [{ restartCount: 4, state: { waiting: { reason, message: 'no' } } }] },
    });
    const ready = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
    const lines = podLines([
      pod('a', ready),
      pod('b', waiting('ContainerCreating')),
      pod('c', waiting('CrashLoopBackOff')),
      pod('d', { ...ready, metadata: { deletionTimestamp: at(0) } }),
      pod('e', { status: { phase: 'Succeeded' } }),
    ]);
    assert.deepEqual(
      lines.map(({ name, state, trouble }) => [name, state, trouble]),
      [
        ['a', 'ready', undefined],
        ['b', 'starting', undefined],
        ['c', 'failing', 'c: CrashLoopBackOff: no'],
        ['d', 'terminating', undefined],
      ],
    );
  });

  it('detail returns the workers of each revision with their share of the jobs', () => {
    const revisions = [
      { name: 'api-old', number: 1, image: 'i:1', replicas: 3, readyReplicas: 3, weight: 80 },
      { name: 'api-new', number: 2, image: 'i:2', replicas: 1, readyReplicas: 1, weight: 20 },
    ].map((revision) => ({ ...revision, workers: { replicas: 1, readyReplicas: 1, share: 50 } }));
    const labels = { 'app.kubernetes.io/component': 'worker', 'pcf.dev/revision': 'api-new' };
    const api = { ...pcfApi(), status: { revisions, stableRevision: 'api-old', updateRevision: 'api-new' } };
    const result = detail({ api, pods: [pod('w', { metadata: { labels } })], events: [], weights: [] });
    assert.deepEqual(
      result.revisions.map(({ role, workers, pods }) => [role, workers?.share, pods.length]),
      [
        ['stable', 50, 0],
        ['canary', 50, 0],
      ],
    );
    assert.deepEqual(
      result.otherPods.map(({ name, component }) => [name, component]),
      [['w', 'worker']],
    );
  });

  it('detail returns the steps with their state', () => {
    const steps = [5, 50, 80].map((weight) => ({ weight, hold: '2m', pause: false }));
    const api = pcfApi({ strategy: { type: 'Canary', canary: { steps, scaleDownDelay: '30s' } } });
    api.status = { step: { index: 1, of: 3, weight: 50, waitingFor: 'its weight to be in effect' } };
    const result = detail({ api, pods: [], events: [], weights: [] });
    assert.deepEqual(
      result.steps?.stages.map(({ weight, holdMs, state }) => [weight, holdMs, state]),
      [
        [5, 120_000, 'done'],
        [50, 120_000, 'now'],
        [80, 120_000, 'ahead'],
      ],
    );
  });

  it('detail returns who caused the outcome of a delivery, and each approver of its steps once', () => {
    const at = '2026-11-23T10:00:00Z';
    const approvals = ['ann', 'bob', 'ann'].map((by, step) => ({ step, by, at }));
    const record = { ...{ revision: 'api-b', number: 2, image: 'i:2', startedAt: at }, finishedAt: at };
    const history = [
      { ...record, outcome: 'Promoted' as const, by: 'argocd', approvals },
      { ...record, outcome: 'Promoted' as const, approvals: approvals.slice(0, 1) },
      { ...record, outcome: 'Aborted' as const },
    ];
    const { history: shown } = detail({
      api: { ...pcfApi(), status: { history } },
      pods: [],
      events: [],
      weights: [],
    });
    assert.deepEqual(
      shown.map(({ by }) => by),
      ['argocd, approved by ann and bob', 'approved by ann', undefined],
    );
  });

  it('detail describes the interval of a sequential test', () => {
    const api = pcfApi();
    const counts = { measurements: 1, failures: 1, inconclusive: 0, errors: 0, inARow: 1 };
    const sequential = {
      ...{ since: at(0), operation: 'Orders', boundary: 0.25, estimate: 0.02, lower: 0.001, upper: 0.05 },
      ...{ minEffect: 0.002, requests: 1_000, stableRequests: 9_000, history: [] },
      ...{ evidence: 5, earlierEvidence: 0 },
    };
    const metric = {
      name: 'p99',
      verdict: 'Failed' as const,
      message: 'm',
      bound: 'b',
      since: at(0),
      ...counts,
    };
    const metrics = [{ ...metric, sequential }, metric];
    api.status = { analysis: { revision: 'api-new', verdict: 'Failed', message: 'm', metrics } };
    const { analysis } = detail({ api, pods: [], events: [], weights: [] });
    assert.deepEqual(analysis?.metrics, [
      {
        ...metrics[0],
        interval: 'Orders: requests above 0.25 s +2 percentage points (from +0.1 to +5), 1,000 requests',
      },
      metric,
    ]);
  });

  it('detail returns the closed windows and the override, and none while they are open', () => {
    const api = pcfApi();
    const linesOf = (windows: WindowsStatus) => {
      api.status = { windows };
      return detail({ api, pods: [], events: [], weights: [] }).windows;
    };
    const closedBy = [
      {
        source: 'PcfWindow year-end',
        holds: ['Start' as const],
        until: at(30),
        reason: 'x',
        allowOverride: true,
      },
    ];
    assert.deepEqual(linesOf({ state: 'Closed', holds: ['Start'], nextChange: at(30), closedBy }), [
      `Closed: Start held, next change at ${at(30)}`,
      `closed by PcfWindow year-end until ${at(30)} (x)`,
    ]);
    const override = { reason: 'INC-1', until: at(10), by: 'pcf-cli' };
    assert.deepEqual(
      linesOf({ state: 'Overridden', closedBy, override })?.at(-1),
      `overridden until ${at(10)} by pcf-cli: INC-1`,
    );
    assert.equal(linesOf({ state: 'Open', nextChange: at(30) }), undefined);
  });

  it('listRow contains a weight only during a delivery', () => {
    const api = pcfApi();
    api.status = { traffic: { desiredWeight: 100, effectiveWeight: 100, verified: true } };
    assert.equal(listRow(api).effective, undefined);
    api.status = { ...api.status, updateRevision: 'api-new' };
    assert.equal(listRow(api).effective, 100);
    assert.equal(listRow(pcfApi()).message, 'the operator has not reconciled it yet');
  });

  it('figures computes the delivery figures as the metrics define them', () => {
    const record = (
      outcome: DeliveryRecord['outcome'],
      from: number,
      to: number,
      more = {},
    ): DeliveryRecord => ({
      ...{ revision: 'r', number: 1, image: 'a', outcome, startedAt: at(from), finishedAt: at(to), ...more },
    });
    const result = figures([
      record('Undone', 40, 45),
      record('Promoted', 20, 30, { firstTrafficAt: at(25), committedAt: at(10) }),
      record('Aborted', 10, 15, { firstTrafficAt: at(14) }),
      record('Promoted', 0, 4),
    ]);
    assert.deepEqual(result, {
      ...{ deliveries: 4, since: at(0), promoted: 2, undone: 1 },
      leadTimeSeconds: 20 * 60,
      durationSeconds: 7 * 60,
      // 20 minutes from the first traffic to the undo, and one to the abort.
      restoreSeconds: (20 * 60 + 60) / 2,
      changeFailureRate: 2 / 3,
    });
    assert.deepEqual(figures([]).changeFailureRate, undefined);
  });
});

describe('WeightHistory', () => {
  it('records changed weights, up to 500 points', () => {
    let now = 0;
    const history = new WeightHistory(() => now);
    for (; now < 2_000; now += 1) history.record('a/b', now % 100, Math.floor(now / 2) % 100);
    const points = history.of('a/b');
    assert.equal(points.length, 500);
    assert.equal(points.at(-1)?.at, 1_999);
    history.record('a/b', 99, 99);
    assert.deepEqual(history.of('a/b').at(-1), points.at(-1), 'an unchanged weight adds no point');
    history.forget('a/b');
    assert.deepEqual(history.of('a/b'), []);
  });
});
