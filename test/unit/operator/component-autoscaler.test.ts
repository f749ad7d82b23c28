import assert from 'node:assert/strict';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { components } from '../../../operator/resources/components.js';
import { mostPods } from '../../../operator/resources/connection-budget.js';
import { newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const auth = { jwtSecretRef: { name: 'pcf-api-secrets', key: 'jwt-secret' } };
const apiWith = (component: object) =>
  pcfApi({ auth, components: { auth: { enabled: true, replicas: 1, ...component } } });

/** A Deployment in the cluster whose `spec.replicas` was set by a manager. */
function liveDeployment(replicas: number, manager: string): KubeObject {
  const fieldsV1 = { 'f:spec': { 'f:replicas': {} } };
  const managedFields = [{ manager, operation: 'Update', subresource: 'scale', fieldsV1 }];
  const metadata = { name: 'api-auth', namespace: 'platform', managedFields };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas } } as KubeObject;
}

describe('autoscaling of a component', () => {
  const autoscaling = { minReplicas: 2, maxReplicas: 6 };
  const api = apiWith({ autoscaling });
  const objectsOf = (given = api, ...live: KubeObject[]) => components(given, newRevision(given, 1), live);
  const replicasOf = (...live: KubeObject[]) => {
    const [deployment] = objectsOf(api, ...live);
    return (deployment!.spec as { replicas?: number }).replicas;
  };
  const find = (objects: KubeObject[], kind: string) => objects.find((object) => object.kind === kind);

  it('creates a HorizontalPodAutoscaler on its Deployment', () => {
    const autoscaler = find(objectsOf(), 'HorizontalPodAutoscaler')!;
    assert.equal(autoscaler.metadata.name, 'api-auth');
    assert.deepEqual(autoscaler.spec, {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api-auth' },
      ...autoscaling,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } },
        },
      ],
    });
    const text = JSON.stringify(objectsOf(apiWith({ autoscaling: { maxReplicas: 3, cpu: 50 } })));
    assert.match(text, /"minReplicas":1,"maxReplicas":3,.*"averageUtilization":50/);
    assert.equal(find(objectsOf(apiWith({ replicas: 2 })), 'HorizontalPodAutoscaler'), undefined);
  });

  it('starts with minReplicas, and does not write spec.replicas once the autoscaler has set it', () => {
    assert.equal(replicasOf(), 2);
    assert.equal(replicasOf(liveDeployment(5, 'kube-controller-manager')), undefined);
  });

  it('retains the number of pods within its bounds when it is enabled for a running component', () => {
    assert.equal(replicasOf(liveDeployment(4, 'pcf-operator')), 4);
    assert.equal(replicasOf(liveDeployment(9, 'pcf-operator')), 6);
    assert.equal(replicasOf(liveDeployment(1, 'pcf-operator')), 2);
  });

  it('counts maxReplicas in the connection budget, and creates a PodDisruptionBudget if it is more than 1', () => {
    assert.equal(mostPods(api) - mostPods(pcfApi({ auth })), 7);
    assert.ok(find(objectsOf(), 'PodDisruptionBudget'));
    const single = apiWith({ autoscaling: { maxReplicas: 1 } });
    assert.equal(find(objectsOf(single), 'PodDisruptionBudget'), undefined);
  });

  it('is unset by default', () => {
    const { components: parsed } = pcfApiSpec.parse({ ...api.spec, components: { worker: {}, auth: {} } });
    assert.deepEqual(parsed, {
      worker: { enabled: false, replicas: 1 },
      auth: { enabled: false, replicas: 1 },
    });
  });
});
