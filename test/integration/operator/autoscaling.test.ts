/** Tests the HorizontalPodAutoscaler controller with metrics that the test serves. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { HorizontalPodAutoscalerKind, PcfApiKind } from '../../../operator/resources/kinds.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { MetricsApi } from '../../support/servers/metrics-api.js';

/** The HPA controller of the sandbox syncs every 2 s. */
const FIVE_DECISIONS_MS = 10_000;

describe('HorizontalPodAutoscaler during a delivery', () => {
  let sandbox: Sandbox;
  let metrics: MetricsApi;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    metrics = await MetricsApi.start(sandbox);
  });

  after(() => metrics?.stop());

  it('does not scale at weight 50 with memory at 66 % of its target, and scales up when CPU usage rises', async () => {
    // All pods together use 40m CPU, and each pod uses 67Mi of 128Mi memory.
    metrics.usage = (_, pods) => ({ cpu: `${Math.round(40 / pods.length)}m`, memory: '67Mi' });
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'autoscaler'), {
      replicas: undefined,
      resources: { requests: { cpu: '100m', memory: '128Mi' } },
      autoscaling: { horizontal: { minReplicas: 3, maxReplicas: 6, cpu: 70, memory: 80 } },
    });
    const replicas = async () => (await api.specOf<{ replicas: number }>(PcfApiKind)).replicas;
    const isScaling = async () => {
      const hpa = (await api.get(HorizontalPodAutoscalerKind)) as KubeObject & {
        status?: { conditions?: { type: string; status: string }[] };
      };
      return (
        hpa?.status?.conditions?.some(({ type, status }) => type === 'ScalingActive' && status === 'True') ??
        false
      );
    };
    await api.ready();
    await eventually('the autoscaler has metrics', isScaling);
    await eventually('three pods', async () => (await replicas()) === 3);

    await api.patch({ image: image('1.1.0'), canaryWeight: 50 });
    await api.watch.until('weight 50', (view) => view?.status?.traffic?.effectiveWeight === 50);
    await sleep(FIVE_DECISIONS_MS);
    assert.ok(await isScaling(), 'the autoscaler still has metrics');
    assert.equal(await replicas(), 3);
    assert.match(api.message('AutoscalingLimited'), /does not scale on memory, only on cpu/);

    metrics.usage = (_, pods) => ({ cpu: `${Math.round(400 / pods.length)}m`, memory: '67Mi' });
    await eventually('the autoscaler scales up', async () => (await replicas()) > 3);
    await api.remove();
  });

  it('restores the default replicas of the environment after a change to production and back', async () => {
    const { client } = sandbox.parts;
    metrics.usage = () => undefined; // without metrics the autoscaler does not scale
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'environments'), {
      replicas: undefined,
      strategy: { type: 'Canary', canary: { scaleDownDelay: '1s' } },
    });
    const replicas = async () => (await api.specOf<{ replicas?: number }>(PcfApiKind)).replicas;
    const hasPods = (pods: number) =>
      api.watch.until(
        `${pods} pods`,
        (view) => view?.status?.phase === 'Ready' && view.status.readyReplicas === pods,
      );
    await hasPods(1);
    assert.equal(await replicas(), undefined);
    await api.patch({ environment: 'production' });
    await eventually('spec.replicas is set for the autoscaler', async () => (await replicas()) === 3);
    await hasPods(3);
    await api.patch({ environment: 'development' });
    await hasPods(1);
    assert.equal(await replicas(), undefined);
    assert.equal(api.status.replicas, 1);

    await api.patch({ environment: 'production' });
    await eventually('spec.replicas is set for the autoscaler', async () => (await replicas()) === 3);
    const options = { fieldManager: 'kubectl', subresource: 'scale' } as const;
    await client.patch(PcfApiKind, api.namespace, api.name, { spec: { replicas: 4 } }, options);
    await api.patch({ environment: 'development' });
    await hasPods(4);
    assert.equal(await replicas(), 4, 'replicas set by kubectl scale are retained');
    await api.remove();
  });
});
