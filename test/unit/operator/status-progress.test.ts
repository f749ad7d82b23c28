import assert from 'node:assert/strict';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { progressIntervalMs } from '../../../operator/reconciler/status-progress.js';

const condition = (type: string, over = {}) => ({
  ...{ type, status: 'False' as const, reason: 'PodsNotReady', message: '1 of 3 pods are ready' },
  ...{ observedGeneration: 1, lastTransitionTime: '2026-11-23T11:00:00Z' },
  ...over,
});
const revision = { name: 'api-a', image: 'api:1', replicas: 3, readyReplicas: 1, weight: 0 };
const before: PcfApiStatus = {
  ...{ observedGeneration: 1, phase: 'Progressing', reason: 'PodsNotReady', readyReplicas: 1 },
  conditions: [condition('Ready'), condition('Degraded', { reason: 'AsExpected', message: 'no fault' })],
  traffic: { desiredWeight: 40, effectiveWeight: 33, verified: true, reason: '1 of 3 pods are ready' },
  revisions: [revision],
  delivery: { update: 'api-a' },
};

describe('progressIntervalMs', () => {
  it('is a second if more pods are ready, with the messages about them', () => {
    const after: PcfApiStatus = {
      ...before,
      readyReplicas: 2,
      conditions: [condition('Ready', { message: '2 of 3 pods are ready' }), before.conditions![1]!],
      traffic: { ...before.traffic!, reason: '2 of 3 pods are ready' },
      revisions: [{ ...revision, readyReplicas: 2 }],
    };
    assert.equal(progressIntervalMs(before, after), 1_000);
  });

  it('is ten seconds for what the progress deadline is counted from, and for the first scale', () => {
    const at = '2026-11-23T11:00:00Z';
    const progress = {
      step: 0,
      paused: false,
      startable: true,
      migration: 'Running' as const,
      replicas: 3,
      ready: 0,
      at,
    };
    const delivery = { ...before.delivery, readySince: at, progress, scale: 3 };
    assert.equal(progressIntervalMs(before, { ...before, delivery }), 10_000);
    const scaled = { ...before, delivery: { ...delivery, scale: 5 } };
    assert.equal(progressIntervalMs({ ...before, delivery }, scaled), 0);
  });

  it('is 0 without a difference: a reconcile that changes nothing is not repeated', () => {
    assert.equal(progressIntervalMs(before, structuredClone(before)), 0);
  });

  it('is 0 for every other change, and for the first status', () => {
    const changes: PcfApiStatus[] = [
      { observedGeneration: 2 },
      { phase: 'Ready' },
      { reason: 'Ready' },
      { conditions: [condition('Ready', { status: 'True' }), before.conditions![1]!] },
      { conditions: [condition('Ready', { reason: 'Ready' }), before.conditions![1]!] },
      { conditions: [before.conditions![0]!, condition('Degraded', { message: 'another fault' })] },
      { traffic: { ...before.traffic!, effectiveWeight: 40 } },
      { traffic: { ...before.traffic!, verified: false } },
      { revisions: [{ ...revision, weight: 33 }] },
      { revisions: [{ ...revision, replicas: 2 }] },
      { delivery: { update: 'api-a', stable: 'api-a' } },
      { delivery: { update: 'api-a', weight: 40 } },
      { failed: { revision: 'api-a', reason: 'CrashLoop', message: '', at: '2026-11-23T11:00:00Z' } },
    ];
    for (const change of changes)
      assert.equal(progressIntervalMs(before, { ...before, ...change }), 0, JSON.stringify(change));
    assert.equal(progressIntervalMs(undefined, before), 0);
  });
});
