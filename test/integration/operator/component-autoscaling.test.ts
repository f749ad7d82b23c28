import assert from 'node:assert/strict';
import { DeploymentKind, HorizontalPodAutoscalerKind } from '../../../operator/resources/kinds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';

describe('autoscaling of a component on a real API server', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  it('retains the pods when it is enabled, leaves spec.replicas to the autoscaler, and is removed when disabled', async () => {
    const { client } = sandbox.parts;
    const namespace = await newTenant(sandbox, 'component-hpa');
    const redis = { secretRef: { name: 'pcf-api-secrets', key: 'redis-url' } };
    const api = await TestApi.create(sandbox, namespace, {
      redis,
      components: { worker: { enabled: true, replicas: 3 } },
    });
    await api.ready();
    const worker = async () => {
      const { spec } = await client.get(DeploymentKind, namespace, 'api-worker');
      return (spec as { replicas: number }).replicas;
    };
    const autoscalers = async () =>
      (await client.list(HorizontalPodAutoscalerKind, { namespace })).items.map(
        ({ metadata }) => metadata.name,
      );
    await eventually('the worker has three pods', async () => (await worker()) === 3);

    const autoscaling = { minReplicas: 2, maxReplicas: 5 };
    await api.patch({ components: { worker: { replicas: null, autoscaling } } });
    await eventually('the autoscaler exists', async () => (await autoscalers()).includes('api-worker'));
    assert.equal(await worker(), 3);

    await client.patch(
      DeploymentKind,
      namespace,
      'api-worker',
      { spec: { replicas: 4 } },
      { subresource: 'scale', fieldManager: 'kube-controller-manager' },
    );
    // A changed template is applied without spec.replicas.
    await api.patch({ components: { worker: { resources: { requests: { cpu: '20m' } } } } });
    await eventually('the new template is applied', async () =>
      JSON.stringify(await client.get(DeploymentKind, namespace, 'api-worker')).includes('"20m"'),
    );
    assert.equal(await worker(), 4);

    await api.patch({ components: { worker: { replicas: 1, autoscaling: null } } });
    await eventually('the autoscaler is deleted', async () => (await autoscalers()).length === 0);
    await eventually('the worker has one pod', async () => (await worker()) === 1);
  });
});
