import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import type { ReconcilerDependencies } from '../../../operator/reconciler/dependencies.js';
import { failureReport, StatusRejectedError } from '../../../operator/reconciler/obstacle.js';
import { Reconciler } from '../../../operator/reconciler/reconciler.js';
import { KubeApiError, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { NotLeaderError } from '../../../operator/runtime/leader-election.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const noop = () => undefined;

/** Reconciler whose caches contain one PcfApi, with its writes. Every other read of a cache throws. */
function failingReconciler(error: Error, api: PcfApi, setFinalizer?: () => Promise<PcfApi>) {
  const notes: string[] = [];
  const written: PcfApiStatus[] = [];
  const stored = { api };
  const caches = {
    pcfApis: { get: () => stored.api, noteWrite: noop },
    get: noop,
    foreignAutoscalers: () => [],
    ownedBy: () => {
      throw error;
    },
  };
  const client = {
    applyStatus: async (_: unknown, { status }: { status: PcfApiStatus } & KubeObject) => {
      written.push(status);
      stored.api = { ...stored.api, status };
      return stored.api;
    },
  };
  const reconciler = new Reconciler({
    ...{ client, caches, clock: () => NOW },
    finishedJobs: { readPods: async () => undefined },
    actor: { setFinalizer },
    events: { record: ({ note }: { note: string }) => void notes.push(note) },
    metrics: { recordStatus: noop },
    logger: { warn: noop },
  } as unknown as ReconcilerDependencies);
  return { reconcile: () => reconciler.reconcile('platform/api'), written, notes };
}

function readyOfGeneration2(): PcfApi {
  const api = pcfApi();
  api.metadata.finalizers = ['pcf.dev/cleanup'];
  const condition = { status: 'True', reason: 'Ready', message: '', observedGeneration: 2 } as const;
  const lastTransitionTime = '2026-11-23T11:00:00Z';
  api.status = {
    ...{ observedGeneration: 2, phase: 'Ready', reason: 'Ready', stableRevision: 'api-a' },
    delivery: { stable: 'api-a' },
    conditions: ['Ready', 'Available'].map((type) => ({ type, ...condition, lastTransitionTime })),
  };
  return api;
}

describe('Reconciler: an exception before planning', () => {
  const exception = new RangeError('Invalid time value');

  it('is reported for the new generation, does not change the delivery position, and is rethrown for the backoff', async () => {
    const { reconcile, written, notes } = failingReconciler(exception, readyOfGeneration2());
    await assert.rejects(reconcile(), exception);
    const [status] = written;
    assert.equal(status?.observedGeneration, 3);
    assert.deepEqual([status?.phase, status?.reason], ['Failed', 'ReconcileFailed']);
    assert.deepEqual(status?.delivery, { stable: 'api-a' });
    const conditions = Object.fromEntries(status?.conditions?.map((one) => [one.type, one]) ?? []);
    assert.deepEqual(
      ['Ready', 'Reconciling', 'Stalled', 'Available'].map((type) => conditions[type]?.status),
      ['False', 'False', 'True', 'True'],
    );
    assert.match(conditions.Ready?.message ?? '', /RangeError: Invalid time value$/);
    assert.deepEqual(
      [conditions.Ready?.observedGeneration, conditions.Available?.observedGeneration],
      [3, 2],
    );
    assert.match(notes[0] ?? '', /RangeError: Invalid time value$/);
  });

  it('is written to the status once, for any number of retries', async () => {
    const { reconcile, written, notes } = failingReconciler(exception, readyOfGeneration2());
    for (let attempt = 0; attempt < 3; attempt++) await assert.rejects(reconcile());
    assert.deepEqual([written.length, notes.length], [1, 1]);
  });

  it('is reported under phase Deleting if a deletion fails', async () => {
    const api = readyOfGeneration2();
    api.metadata.deletionTimestamp = '2026-11-23T11:30:00Z';
    const { reconcile, written } = failingReconciler(exception, api);
    await assert.rejects(reconcile());
    assert.deepEqual([written[0]?.phase, written[0]?.reason], ['Deleting', 'ReconcileFailed']);
  });

  it('is not reported if the API server rejects or cannot receive writes, or if the retry reads newer objects', () => {
    const unreachable = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const answers = [404, 409, 429, 503].map((code) => new KubeApiError(code, 'Unknown', 'no'));
    for (const error of [unreachable, new NotLeaderError(), ...answers])
      assert.equal(failureReport(error), undefined, String(error));
    assert.equal(failureReport(new KubeApiError(422, 'Invalid', 'no'))?.reason, 'Invalid');
    assert.equal(failureReport(new StatusRejectedError('no'))?.reason, 'ReconcileFailed');
  });
});

describe('Reconciler: a PcfApi without our finalizer', () => {
  const observed = new RangeError('observed');
  const created = () => ({ ...readyOfGeneration2(), metadata: pcfApi().metadata });

  it('is reconciled at once after the finalizer was written', async () => {
    const { reconcile } = failingReconciler(observed, created(), async () => readyOfGeneration2());
    await assert.rejects(reconcile(), observed);
  });

  it('is not observed, and nothing else is written, if the finalizer cannot be written', async () => {
    const conflict = new KubeApiError(409, 'Conflict', 'the object has been modified');
    const { reconcile, written } = failingReconciler(observed, created(), () => Promise.reject(conflict));
    await assert.rejects(reconcile(), conflict);
    assert.deepEqual(written, []);
  });
});
