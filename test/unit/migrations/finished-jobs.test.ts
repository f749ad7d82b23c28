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
import { pcfApi } from '../../support/fixtures.js';
import { job, report, run } from './jobs-under-test.js';

const LABELS = { 'app.kubernetes.io/managed-by': 'pcf-operator', 'app.kubernetes.io/instance': 'api' };

describe('the pods of finished migration Jobs', () => {
  let api: PcfApi;
  let caches: Caches;
  /** What the API server has, and its watch of pods has not reported yet. */
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
  const look = () =>
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

  it('are read when their watch lags behind that of Jobs: none of these runs twice', async () => {
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    pods = [podOf('api-new-expand', report({ applied: ['E1'] }))];
    await finished.readPods(api);
    assert.deepEqual([look().state, look().applied, look().nextStage], ['Succeeded', ['E1'], undefined]);
    const selector = 'batch.kubernetes.io/job-name=api-new-expand';
    assert.deepEqual(lists, [[PodKind, { namespace: api.metadata.namespace, labelSelector: selector }]]);
  });

  it('are read also where an earlier pod of the Job, which failed, is in the cache', async () => {
    caches.noteWrite(PodKind, owned(run('api-new-expand', '', 75), '5'));
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    assert.equal(look().nextAttempt, 2, 'what the cache alone would show');
    pods = [podOf('api-new-expand', report({ applied: ['E1'] }), 0, 'second')];
    await finished.readPods(api);
    assert.equal(look().state, 'Succeeded');
  });

  it('give a Job that failed its error before the delivery is aborted', async () => {
    caches.noteWrite(JobKind, owned(job('expand', 'Failed'), '8'));
    const refused = report({ outcome: 'refused', error: 'lint: drop-column' });
    pods = [podOf('api-new-expand', refused, 78)];
    await finished.readPods(api);
    assert.deepEqual([look().state, look().error], ['Failed', 'lint: drop-column']);
  });

  it('are lost when the API server has none: the Job runs once more', async () => {
    caches.noteWrite(JobKind, owned(job('expand', 'Complete'), '8'));
    await finished.readPods(api);
    assert.deepEqual([look().state, look().nextStage, look().nextAttempt], ['Pending', 'expand', 2]);
  });

  it('are read once per Job, of the revision that is delivered alone, and not while it runs', async () => {
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
