import assert from 'node:assert/strict';
import { migrationView } from '../../../operator/migrations/migration-view.js';
import {
  componentTrouble,
  type EndpointSlice,
  jobPodFailure,
  livingPods,
  type Pod,
  podFailure,
  podTrouble,
  readyPods,
} from '../../../operator/reconciler/pod-state.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { migrations, pcfApi } from '../../support/fixtures/fixtures.js';

function pod(
  name: string,
  ready: boolean,
  extra: Partial<Pod['metadata']> = {},
  status: Pod['status'] = {},
): Pod {
  const labels = { 'pcf.dev/revision': 'api-new', 'app.kubernetes.io/component': 'api', ...extra.labels };
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...extra, labels },
    status: { conditions, ...status },
  };
}

function slice(service: string, ...ready: string[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-x`, labels: { 'kubernetes.io/service-name': service } },
    endpoints: ready.map((name) => ({ conditions: { ready: true }, targetRef: { kind: 'Pod', name } })),
  };
}

describe('observation', () => {
  describe('readyPods', () => {
    it('counts pods that are ready and endpoints of the Service', () => {
      const pods = [pod('a', true), pod('b', true), pod('c', false)];
      assert.equal(readyPods('api-new', pods, [slice('api', 'a', 'c')], ['api']), 1);
    });

    it('ignores pods that are terminating, of another revision, or of a migration', () => {
      const pods = [
        pod('a', true, { deletionTimestamp: '2026-11-23T10:00:00Z' }),
        pod('b', true, { labels: { 'pcf.dev/revision': 'api-old' } }),
        pod('c', true, { labels: { 'app.kubernetes.io/component': 'migration' } }),
      ];
      assert.equal(readyPods('api-new', pods, [slice('api', 'a', 'b', 'c')], ['api']), 0);
    });

    it('counts pods without an endpoint if no Service is given', () => {
      assert.equal(readyPods('api-new', [pod('a', true)], [], []), 1);
    });
  });

  describe('livingPods', () => {
    const labels = (revision: string, component: string) => ({
      labels: { 'pcf.dev/revision': revision, 'app.kubernetes.io/component': component },
    });

    it('counts pods that may run: not ready, terminating, of any component, or of an unrecorded revision', () => {
      const pods = [
        pod('a', true),
        pod('b', false),
        pod('c', false, { deletionTimestamp: '2026-11-23T10:00:00Z' }),
        pod('d', true, labels('api-gone', 'worker')),
        pod('e', false, labels('api-gone', 'auth'), { phase: 'Unknown' }),
      ];
      assert.deepEqual(Object.fromEntries(livingPods(pods)), { 'api-new': 3, 'api-gone': 2 });
    });

    it('ignores pods that are finished, that migrate, or that have no revision', () => {
      const pods = [
        pod('a', false, {}, { phase: 'Succeeded' }),
        pod('b', false, {}, { phase: 'Failed' }),
        pod('c', false, labels('api-new', 'migration')),
        pod('d', true, labels('', 'api')),
      ];
      assert.equal(livingPods(pods).size, 0);
    });
  });

  describe('podTrouble', () => {
    it('returns the termination message of the API', () => {
      const containerStatuses = [
        {
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } },
          lastState: { terminated: { message: 'invalid settings: server.prt' } },
        },
      ];
      assert.equal(
        podTrouble(pod('a', false, {}, { containerStatuses })),
        'a: CrashLoopBackOff: invalid settings: server.prt',
      );
    });

    it('returns the message of the kubelet for an image that is not found', () => {
      const containerStatuses = [
        { state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } } },
      ];
      assert.equal(podTrouble(pod('a', false, {}, { containerStatuses })), 'a: ImagePullBackOff: not found');
    });

    it('returns nothing for a pod that is starting or ready', () => {
      const containerStatuses = [{ state: { waiting: { reason: 'ContainerCreating' } } }];
      assert.equal(podTrouble(pod('a', false, {}, { containerStatuses })), undefined);
      assert.equal(podTrouble(pod('a', true)), undefined);
    });
  });

  describe('podFailure', () => {
    const crashing = (name: string, restartCount: number) =>
      pod(
        name,
        false,
        { creationTimestamp: '2026-11-23T10:00:00Z' },
        { containerStatuses: [{ restartCount, state: { waiting: { reason: 'CrashLoopBackOff' } } }] },
      );

    it('reports a crash loop after three restarts', () => {
      assert.equal(podFailure('api-new', [crashing('a', 2)]), undefined);
      assert.deepEqual(podFailure('api-new', [crashing('a', 3)]), {
        reason: 'CrashLoop',
        message: 'a: CrashLoopBackOff',
        // End of the second of the creation, so that a delivery started in that second is not newer.
        since: '2026-11-23T10:00:00.999Z',
      });
    });

    it('reports an image that cannot be pulled', () => {
      const containerStatuses = [
        { state: { waiting: { reason: 'ErrImagePull', message: 'manifest unknown' } } },
      ];
      const failure = podFailure('api-new', [pod('a', false, {}, { containerStatuses })]);
      assert.equal(failure?.reason, 'ImagePullFailed');
    });

    it('reports an image of an init container that cannot be pulled, such as the sidecar of a mesh', () => {
      const initContainerStatuses = [
        { state: { waiting: { reason: 'ErrImagePull', message: 'manifest unknown' } } },
      ];
      const containerStatuses = [{ state: { waiting: { reason: 'PodInitializing' } } }];
      const status = { phase: 'Pending', initContainerStatuses, containerStatuses };
      assert.deepEqual(podFailure('api-new', [pod('a', false, {}, status)]), {
        reason: 'ImagePullFailed',
        message: 'a: ErrImagePull: manifest unknown',
      });
    });

    for (const [registry, reason, message] of [
      ['does not resolve', 'ErrImagePull', 'dial tcp: lookup ghcr.io: no such host'],
      ['limits its clients', 'ImagePullBackOff', 'toomanyrequests: rate limit'],
      ['is unavailable', 'RegistryUnavailable', 'pinging container registry: connection refused'],
    ] as const) {
      it(`ignores a registry that ${registry}, as the kubelet retries`, () => {
        const statuses = [{ state: { waiting: { reason, message } } }];
        for (const status of [{ containerStatuses: statuses }, { initContainerStatuses: statuses }]) {
          const waiting = pod('a', false, {}, status);
          assert.equal(podFailure('api-new', [waiting]), undefined);
          assert.equal(podTrouble(waiting), `a: ${reason} (retried until progressDeadline): ${message}`);
        }
      });
    }

    it('reports, for the Job of a migration, an image that its pending pod cannot pull', () => {
      const labels = {
        'app.kubernetes.io/component': 'migration',
        'batch.kubernetes.io/job-name': 'api-new-expand',
      };
      const containerStatuses = [
        { state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } } },
      ];
      const waiting = pod('m', false, { labels }, { phase: 'Pending', containerStatuses });
      const ended = pod('n', false, { labels }, { phase: 'Failed' });
      assert.deepEqual(jobPodFailure('api-new-expand', [ended, ended, waiting]), {
        reason: 'ImagePullFailed',
        message: 'm: ImagePullBackOff: not found',
      });
      assert.equal(jobPodFailure('api-new-backfill', [waiting]), undefined);
      assert.equal(podFailure('api-new', [waiting]), undefined);
    });

    it('ignores one failing pod among ready ones, and pods of another revision', () => {
      const pods = [crashing('a', 9), pod('b', true), pod('c', true)];
      assert.equal(podFailure('api-new', pods), undefined);
      assert.equal(podFailure('api-old', [crashing('a', 9)]), undefined);
    });
  });

  describe('componentTrouble', () => {
    const labels = { 'app.kubernetes.io/component': 'worker' };
    const worker = (name: string, reason: string, message: string) =>
      pod(name, false, { labels }, { containerStatuses: [{ state: { waiting: { reason, message } } }] });
    const missing = worker('w', 'ErrImagePull', 'manifest unknown');
    const offline = worker('v', 'ErrImagePull', 'dial tcp: lookup ghcr.io: no such host');
    const ready = pod('u', true, { labels });

    it('reports a pod that cannot start, also if another pod is ready', () => {
      assert.equal(componentTrouble('worker', [ready, missing]), 'w: ErrImagePull: manifest unknown');
      assert.equal(componentTrouble('auth', [missing]), undefined);
    });

    it('reports an unreachable registry only while no pod is ready', () => {
      const trouble = 'v: ErrImagePull (retried): dial tcp: lookup ghcr.io: no such host';
      assert.equal(componentTrouble('worker', [offline]), trouble);
      assert.equal(componentTrouble('worker', [ready, offline]), undefined);
      assert.equal(componentTrouble('worker', [worker('t', 'ContainerCreating', '')]), undefined);
    });

    it('does not affect podFailure of the revision, as no pod of the API waits for the component', () => {
      assert.equal(podFailure('api-new', [missing]), undefined);
    });
  });

  describe('migrationView', () => {
    const job = (conditions: object[] = [], failed = 0, name = 'api-new-expand'): KubeObject => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name, labels: { 'pcf.dev/revision': 'api-new', 'pcf.dev/migration': 'expand' } },
      status: { conditions, failed },
    });
    const run = (exitCode: number, message: string, finishedAt = '2026-11-23T10:00:00Z') =>
      pod(
        'run',
        false,
        {
          labels: {
            'app.kubernetes.io/component': 'migration',
            'batch.kubernetes.io/job-name': 'api-new-expand',
          },
        },
        {
          containerStatuses: [{ state: { terminated: { exitCode, message, finishedAt } } }],
        },
      );
    const report = (over: object) =>
      JSON.stringify({
        outcome: 'done',
        current: 'B2',
        applied: ['B2'],
        pending: [],
        durationMs: 12,
        ...over,
      });

    it('is Pending before the Job exists, Running with the Job, and Disabled if the spec disables migrations', () => {
      assert.equal(migrationView(pcfApi(), 'api-new', [], []).state, 'Pending');
      assert.equal(migrationView(pcfApi(), 'api-new', [job()], []).state, 'Running');
      const disabled = pcfApi({ migrations: migrations('Disabled') });
      assert.equal(migrationView(disabled, 'api-new', [job()], []).state, 'Disabled');
    });

    it('contains the applied migrations of the report', () => {
      const view = migrationView(
        pcfApi(),
        'api-new',
        [job([{ type: 'Complete', status: 'True' }])],
        [run(0, report({}))],
      );
      assert.equal(view.state, 'Succeeded');
      assert.deepEqual(view.report?.applied, ['B2']);
    });

    it('contains the error of the newest attempt, also while the next attempt is pending', () => {
      const pods = [
        run(1, report({ outcome: 'failed', error: 'older' }), '2026-11-23T09:00:00Z'),
        run(1, report({ outcome: 'failed', error: 'relation "x" does not exist' })),
      ];
      const view = migrationView(pcfApi(), 'api-new', [job([], 2)], pods);
      assert.deepEqual(
        [view.state, view.error, view.failures],
        ['Running', 'relation "x" does not exist', 2],
      );
    });

    it('contains the report of the successful pod, or of the pod created last, independent of node clocks', () => {
      const made = (at: string, one: Pod) => ({
        ...one,
        metadata: { ...one.metadata, creationTimestamp: at },
      });
      const ahead = made('2026-11-23T08:00:00Z', run(75, report({ error: 'older' }), '2026-11-23T12:00:00Z'));
      const done = made('2026-11-23T08:01:00Z', run(0, report({}), '2026-11-23T08:01:01Z'));
      const complete = job([{ type: 'Complete', status: 'True' }], 1);
      assert.deepEqual(migrationView(pcfApi(), 'api-new', [complete], [done, ahead]).report?.applied, ['B2']);
      const again = made('2026-11-23T08:01:00Z', run(75, report({ error: 'newer' }), '2026-11-23T08:01:01Z'));
      assert.equal(migrationView(pcfApi(), 'api-new', [job([], 2)], [again, ahead]).error, 'newer');
      assert.equal(
        migrationView(pcfApi(), 'api-new', [complete], [ahead]).nextAttempt,
        2,
        'the successful pod was deleted, a failed one was not',
      );
    });

    it('ignores the Jobs of older attempts, as a restored database may not contain their changes', () => {
      const failed = job([{ type: 'Failed', status: 'True' }]);
      const state = (attempt: number | undefined, ...jobs: KubeObject[]) =>
        migrationView(pcfApi(), 'api-new', jobs, [run(0, report({}))], { attempt }).state;
      assert.equal(state(1, failed), 'Failed');
      assert.equal(state(2, failed), 'Pending');
      assert.equal(state(2, failed, job([], 0, 'api-new-expand-2')), 'Running');
      assert.equal(state(undefined, failed), 'Failed');
      const complete = job([{ type: 'Complete', status: 'True' }]);
      const second = job([{ type: 'Failed', status: 'True' }], 0, 'api-new-expand-2');
      assert.equal(state(2, complete), 'Succeeded');
      assert.equal(state(3, complete, second), 'Pending');
      assert.equal(state(undefined, complete, second), 'Failed');
    });

    it('contains the last line of the output of an image that writes no report', () => {
      const failed = job([{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }]);
      const error = migrationView(pcfApi(), 'api-new', [failed], [run(1, 'one\ntwo\n')]).error;
      assert.match(error ?? '', /^two \(no migration report; if the image has no command `migrate`/);
      assert.equal(migrationView(pcfApi(), 'api-new', [failed], []).error, 'BackoffLimitExceeded');
    });
  });
});
