import assert from 'node:assert/strict';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { updatingDeployments } from '../../../operator/reconciler/component-rollout.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { podFailure, readyWorkers } from '../../../operator/reconciler/pod-state.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import { components, lacksRedis } from '../../../operator/resources/components.js';
import { connectionsPerPod, mostPods } from '../../../operator/resources/connection-budget.js';
import { ControllerRevisionKind } from '../../../operator/resources/kinds.js';
import { LABELS, podSelector } from '../../../operator/resources/metadata.js';
import { controllerRevision, newRevision } from '../../../operator/resources/revision.js';
import { isReplacing, workerDeployments } from '../../../operator/resources/worker-deployments.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-types.js';
import { routerOf } from '../../../operator/traffic/index.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

interface Shape {
  replicas: number;
  selector: { matchLabels: Record<string, string> };
  template: { metadata: { labels: Record<string, string> }; spec: { containers: { args: string[] }[] } };
}

const withCanary = (more: object = {}): Partial<PcfApiSpec> => ({
  components: { worker: { enabled: true, replicas: 3, canary: { enabled: true }, ...more } },
});

describe('workerDeployments', () => {
  const api = pcfApi(withCanary());
  const old = newRevision(api, 1);
  const fresh = newRevision({ ...api, spec: { ...api.spec, image: 'r/api:2' } }, 2);
  const revisions = new Map([old, fresh].map((one) => [one.name, one]));
  const shapeOf = ({ spec }: KubeObject) => spec as unknown as Shape;

  it('are one per revision, with its image, its number of workers and a selector of their own', () => {
    const made = workerDeployments(api, revisions, { [old.name]: 2, [fresh.name]: 1 });
    assert.deepEqual(
      made.map((object) => [object.metadata.name, shapeOf(object).replicas]),
      [
        [`${old.name}-worker`, 2],
        [`${fresh.name}-worker`, 1],
      ],
    );
    for (const [index, object] of made.entries()) {
      const { selector, template } = shapeOf(object);
      const { labels } = template.metadata;
      const revision = [old, fresh][index]!.name;
      assert.equal(labels[LABELS.revision], revision);
      assert.deepEqual(selector.matchLabels, {
        [LABELS.instance]: 'api',
        [LABELS.component]: 'worker',
        [LABELS.revision]: revision,
      });
      assert.deepEqual(template.spec.containers[0]!.args, ['worker']);
      assert.ok(Object.entries(podSelector(api)).some(([key, value]) => labels[key] !== value));
    }
  });

  it('replace the Deployment of the component, unless an autoscaler scales it', () => {
    assert.deepEqual(components(api, old), []);
    const autoscaled = pcfApi(withCanary({ replicas: 1, autoscaling: { maxReplicas: 3 } }));
    assert.deepEqual(workerDeployments(autoscaled, revisions, { [old.name]: 1 }), []);
    assert.deepEqual(
      components(autoscaled, old).map(({ kind }) => kind),
      ['Deployment', 'HorizontalPodAutoscaler'],
    );
  });

  it('are part of the planner’s spec only with canary.enabled', () => {
    const workersOf = (given: Partial<PcfApiSpec>) => {
      const made = pcfApi(given);
      return deliverySpecOf(made, routerOf(made)).workers;
    };
    assert.deepEqual(workersOf(withCanary()), { replicas: 3, minWeight: 1 });
    assert.deepEqual(workersOf(withCanary({ canary: { enabled: true, minWeight: 20 } })), {
      replicas: 3,
      minWeight: 20,
    });
    for (const off of [{ enabled: false }, { canary: { enabled: false } }, { canary: undefined }])
      assert.equal(workersOf(withCanary(off)), undefined, JSON.stringify(off));
  });

  it('do not start in a revision from before `redis` was in the spec, with or without canary.enabled', () => {
    const redis = { secretRef: { name: 's', key: 'redis-url' }, mode: 'Standalone' } as const;
    const worker = { enabled: true, replicas: 1 };
    for (const onChange of ['Reload', 'Rollout'] as const) {
      const secrets = { provider: 'Kubernetes', refreshInterval: '1h', onChange } as const;
      const rolled = pcfApi({ components: { worker }, redis, secrets });
      const withRedis = newRevision(rolled, 3);
      assert.deepEqual([lacksRedis(rolled, old), lacksRedis(rolled, withRedis)], [true, false], onChange);
      assert.equal(components(rolled, old).length, 0, onChange);
      assert.equal(components(rolled, withRedis).length, 1, onChange);
    }
    assert.equal(lacksRedis(api, old), false, 'a stored object without `redis`');
  });

  it('are observed as lacking Redis per revision', () => {
    const redis = { secretRef: { name: 's', key: 'redis-url' }, mode: 'Standalone' } as const;
    const edited = { ...api, spec: { ...api.spec, redis } };
    const records = [old, newRevision(edited, 3)].map((one) => controllerRevision(edited, one));
    const ownedBy = (type: ResourceType) => (type === ControllerRevisionKind ? records : []);
    const { revisions } = observe(edited, { ...EMPTY_CLUSTER, ownedBy }).delivery;
    const lacking = revisions.filter(({ workers }) => workers?.lacksRedis).map(({ name }) => name);
    assert.deepEqual([revisions.length, lacking], [2, [old.name]]);
  });

  it('both count in the connection budget', () => {
    const without = pcfApi({ components: { worker: { enabled: true, replicas: 3 } } });
    assert.equal(mostPods(api) - mostPods(without), 3);
    const database = { ...api.spec.database, maxConnections: 100 };
    const perPod = (of: typeof api) => connectionsPerPod({ ...of, spec: { ...of.spec, database } })!;
    assert.ok(perPod(api) < perPod(without));
    assert.ok(perPod(api) * mostPods(api) <= 100);
  });

  it('count once in the connection budget, with the maximum of their autoscaler, if it scales one Deployment', () => {
    const autoscaling = { replicas: 1, autoscaling: { minReplicas: 2, maxReplicas: 7 } };
    const without = pcfApi({ components: { worker: { enabled: true, replicas: 0 } } });
    const autoscaled = pcfApi(withCanary(autoscaling));
    assert.equal(mostPods(autoscaled) - mostPods(without), 7 + 1, 'a rollout adds one pod');
  });

  it('continue after canary.enabled has changed, until the Deployment that replaces them is ready', () => {
    const named = (name: string, readyReplicas = 0): KubeObject => ({
      ...{ apiVersion: 'apps/v1', kind: 'Deployment' },
      metadata: {
        name,
        namespace: 'n',
        labels: { [LABELS.revision]: name.replace(/-worker$/, '') },
      } as never,
      ...{ spec: { replicas: 3 }, status: { readyReplicas } },
    });
    const [common, own] = [named('api-worker', 3), named(`${old.name}-worker`, 2)];
    assert.ok(isReplacing(api, old.name, common, [common]), 'before it exists');
    assert.ok(isReplacing(api, old.name, common, [common, own]), '2 of 3 are ready');
    assert.ok(!isReplacing(api, old.name, common, [common, named(`${old.name}-worker`, 3)]));
    assert.ok(!isReplacing(api, old.name, named(`${fresh.name}-worker`), [common, own]), 'another revision');
    const none = pcfApi(withCanary({ replicas: 0 }));
    assert.ok(!isReplacing(none, old.name, common, [common]), 'no worker replaces them');
    const disabled = pcfApi(withCanary({ canary: { enabled: false } }));
    assert.ok(isReplacing(disabled, old.name, own, [own]));
    assert.ok(isReplacing(disabled, fresh.name, own, [own, named('api-worker')]), 'after a promotion');
    assert.ok(!isReplacing(disabled, old.name, own, [own, common]));
    assert.ok(!isReplacing(pcfApi({}), old.name, own, [own]), 'the worker was disabled');
  });

  it('of another revision hold contract, because they may still create a pod', () => {
    const made = workerDeployments(api, revisions, { [old.name]: 0, [fresh.name]: 3 });
    const delivered = { ...api, status: { delivery: { stable: fresh.name } } };
    const caches = { get: () => undefined, ownedBy: () => made };
    assert.deepEqual(updatingDeployments(delivered, caches), [`${old.name}-worker`]);
  });
});

describe('pods of a worker', () => {
  const pod = (revision: string, component: string, status: object, more: object = {}) => ({
    ...{ apiVersion: 'v1', kind: 'Pod', status },
    metadata: {
      ...{ name: `${revision}-${component}`, namespace: 'n' },
      labels: { [LABELS.revision]: revision, [LABELS.component]: component },
      ...more,
    } as never,
  });
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
  const crashing = {
    containerStatuses: [{ restartCount: 5, state: { waiting: { reason: 'CrashLoopBackOff' } } }],
  };

  it('count as ready per revision, unless they terminate', () => {
    const pods = [
      pod('a', 'worker', ready),
      pod('a', 'api', ready),
      pod('b', 'worker', ready),
      pod('a', 'worker', ready, { deletionTimestamp: '2026-11-30T10:00:00Z' }),
      pod('a', 'worker', {}),
    ];
    assert.deepEqual([readyWorkers('a', pods), readyWorkers('b', pods), readyWorkers('c', pods)], [1, 1, 0]);
  });

  it('fail their revision when they crash, apart from the pods of the API', () => {
    const pods = [pod('a', 'api', ready), pod('a', 'worker', crashing)];
    assert.equal(podFailure('a', pods, 'worker')?.reason, 'CrashLoop');
    assert.equal(podFailure('a', pods), undefined);
  });
});
