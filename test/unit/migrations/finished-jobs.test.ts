import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { FinishedJobs } from '../../../operator/migrations/finished-jobs.js';
import { migrationView } from '../../../operator/migrations/migration-view.js';
import { Caches } from '../../../operator/reconciler/caches.js';
import { JobKind, PodKind } from '../../../operator/resources/kinds.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { job, report, run } from './jobs-under-test.js';

const LABELS = { 'app.kubernetes.io/managed-by': 'pcf-operator', 'app.kubernetes.io/instance': 'api' };

describe('FinishedJobs.readPods', () => {
  let api: PcfApi;
  let caches: Caches;
  /** Pods in the API server that the watch has not reported yet. */
  let pods: KubeObject[];
  let lists: unknown[];
  let finished: FinishedJobs;

  const owned = (object: KubeObject, resourceVersion: string): KubeObject => ({
    ...object,
    metadata: {
      ...object.metadata,
      namespace: api.metadata.namespace,
      uid: `uid-${object.metadata.name}`,
      resourceVersion,
      labels: { ...object.metadata.labels, ...LABELS },
      ownerReferences: [{ kind: 'PcfApi', name: 'api', uid: api.metadata.uid! }],
    },
  });
  /** Items of a list have neither apiVersion nor kind. */
  const podOf = (of: string, message: string, exitCode = 0, name = `${of}-x`): KubeObject => {
    const { metadata, status } = run(of, message, exitCode);
    const labels = { ...metadata.labels, ...LABELS };
    const { namespace } = api.metadata;
    return { metadata: { ...metadata, name, namespace, labels, resourceVersion: '7' }, status } as never;
  };
  const currentView = () =>
    migrationView(api, 'api-new', caches.ownedBy(JobKind, api), caches.pods.list(), { attempt: 1 });

  beforeEach(() => {
    api = { ...pcfApi(), status: { delivery: { update: 'api-new' } } };
    caches = new Caches(new CacheSet(new KubeClient(new KubeConfig()), pino({ level: 'silent' })));
    pods = [];
    lists = [];
    const list = (...request: unknown[]) => {
      lists.push(request);
      return Promise.resolve({ metadata: {}, items: pods });
    };
    finished = new FinishedJobs({ list } as never, caches);
  });

  it('lists the pods of a finished Job when the pod watch lags, so that the Job is not run twice', async () => {
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    pods = [podOf('api-new-expand', report({ applied: ['E1'] }))];
    await finished.readPods(api);
    assert.deepEqual(
      [currentView().state, currentView().applied, currentView().nextStage],
      ['Succeeded', ['E1'], undefined],
    );
    const selector = 'batch.kubernetes.io/job-name=api-new-expand';
    assert.deepEqual(lists, [[PodKind, { namespace: api.metadata.namespace, labelSelector: selector }]]);
  });

  it('lists the pods of a finished Job also when the cache contains only an earlier, failed pod', async () => {
    caches.noteWrite(PodKind, owned(run('api-new-expand', '', 75), '5'));
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    assert.equal(currentView().nextAttempt, 2, 'result of the cache without the list');
    pods = [podOf('api-new-expand', report({ applied: ['E1'] }), 0, 'second')];
    await finished.readPods(api);
    assert.equal(currentView().state, 'Succeeded');
  });

  it('adds the error of a failed Job before the delivery is aborted', async () => {
    caches.noteWrite(JobKind, owned(job('expand', 'Failed'), '8'));
    const refused = report({ outcome: 'refused', error: 'lint: drop-column' });
    pods = [podOf('api-new-expand', refused, 78)];
    await finished.readPods(api);
    assert.deepEqual([currentView().state, currentView().error], ['Failed', 'lint: drop-column']);
  });

  it('reruns a Job whose pods do not exist in the API server', async () => {
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    await finished.readPods(api);
    assert.deepEqual(
      [currentView().state, currentView().nextStage, currentView().nextAttempt],
      ['Pending', 'expand', 2],
    );
  });

  it('does not list the pods of a complete Job when the cache has its successful pod', async () => {
    caches.noteWrite(PodKind, owned(run('api-new-expand', report({ applied: ['E1'] })), '5'));
    const counted = { conditions: [{ type: 'SuccessCriteriaMet', status: 'True' }] };
    caches.noteWrite(JobKind, owned({ ...job('expand'), status: counted }, '7'));
    await finished.readPods(api);
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    await finished.readPods(api);
    assert.equal(lists.length, 0);
    assert.deepEqual([currentView().state, currentView().applied], ['Succeeded', ['E1']]);
  });

  it('lists the pods of a failed Job although the cache has a pod: a later one may have the error', async () => {
    caches.noteWrite(PodKind, owned(run('api-new-expand', '', 75), '5'));
    caches.noteWrite(JobKind, owned(job('expand', 'Failed'), '8'));
    pods = [podOf('api-new-expand', report({ outcome: 'failed', error: 'deadlock' }), 1, 'second')];
    await finished.readPods(api);
    assert.equal(currentView().error, 'deadlock');
  });

  it('lists once per Job, only for the delivered revision and only after the Job finished', async () => {
    caches.noteWrite(JobKind, owned(job('expand'), '8'));
    await finished.readPods(api);
    assert.equal(lists.length, 0);
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '9'));
    await finished.readPods({ ...api, status: { delivery: { stable: 'api-new' } } });
    assert.equal(lists.length, 0);
    await finished.readPods(api);
    await finished.readPods(api);
    assert.equal(lists.length, 1);
  });
});
