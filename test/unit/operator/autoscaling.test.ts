import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type PcfApiSpec, pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { horizontalPodAutoscaler } from '../../../operator/resources/horizontal-pod-autoscaler.js';
import { verticalPodAutoscaler } from '../../../operator/resources/vertical-pod-autoscaler.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

interface Metric {
  resource?: { name: string };
  containerResource?: { name: string };
}
type Spec = Partial<PcfApiSpec>;

function scaled(spec: Spec): string[] | undefined {
  const hpa = horizontalPodAutoscaler(pcfApi(spec));
  const metrics = (hpa?.spec as { metrics: Metric[] } | undefined)?.metrics;
  return metrics?.map(({ resource, containerResource }) => (resource ?? containerResource)?.name ?? 'other');
}

function sized(spec: Spec): string[] | undefined {
  const vpa = verticalPodAutoscaler(pcfApi(spec));
  const policies = vpa?.spec as {
    resourcePolicy: { containerPolicies: [{ controlledResources: string[] }] };
  };
  return vpa && policies.resourcePolicy.containerPolicies[0].controlledResources;
}

const utilization = { target: { type: 'Utilization', averageUtilization: 60 } };
const onResource = (name: string) => ({ type: 'Resource', resource: { name, ...utilization } });
const onContainer = (name: string) => ({
  type: 'ContainerResource',
  containerResource: { container: 'api', name, ...utilization },
});
const others = {
  type: 'Pods',
  pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '9' } },
};

describe('horizontal and vertical autoscalers', () => {
  it('no HorizontalPodAutoscaler is created if the vertical one sizes CPU and memory, as its default is CPU', () => {
    const vertical = { mode: 'InPlaceOrRecreate', controlledResources: ['cpu', 'memory'] } as const;
    const spec: Spec = {
      environment: 'production',
      autoscaling: { vertical: { ...vertical, controlledResources: ['cpu', 'memory'] } },
    };
    assert.deepEqual([scaled(spec), sized(spec)], [undefined, ['cpu', 'memory']]);
  });

  it('the vertical autoscaler does not size a resource that a custom metric scales on', () => {
    const by = (metric: Record<string, unknown>): Spec => ({
      autoscaling: { horizontal: { metrics: [metric] }, vertical: { mode: 'Recreate' } },
    });
    assert.deepEqual(sized(by(onResource('cpu'))), ['memory']);
    assert.deepEqual(sized(by(onContainer('memory'))), ['cpu']);
    assert.deepEqual(sized(by(others)), ['cpu', 'memory']);
  });

  it('both use CPU and memory if the vertical autoscaler only recommends', () => {
    const spec: Spec = { environment: 'production', autoscaling: { vertical: { mode: 'Off' } } };
    assert.deepEqual(
      [scaled(spec), sized(spec)],
      [
        ['cpu', 'memory'],
        ['cpu', 'memory'],
      ],
    );
  });

  it('the schema accepts a tolerance in both directions, and the HorizontalPodAutoscaler has it', () => {
    const behavior = { scaleUp: { tolerance: '0.05' }, scaleDown: { tolerance: '0.2' } };
    const { autoscaling } = pcfApiSpec.parse({ ...pcfApi().spec, autoscaling: { horizontal: { behavior } } });
    const { spec } = horizontalPodAutoscaler(pcfApi({ autoscaling })) as KubeObject & { spec: object };
    assert.deepEqual('behavior' in spec && spec.behavior, behavior);
  });

  it('for any spec, no resource is managed by both, and neither autoscaler has an empty list of resources', () => {
    const percent = fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined });
    const metric = fc.constantFrom(
      onResource('cpu'),
      onResource('memory'),
      onContainer('cpu'),
      onContainer('memory'),
      others,
    );
    const horizontal = fc.record({
      enabled: fc.option(fc.boolean(), { nil: undefined }),
      cpu: percent,
      memory: percent,
      metrics: fc.option(fc.array(metric, { maxLength: 3 }), { nil: undefined }),
    });
    const vertical = fc.record({
      mode: fc.constantFrom('Initial' as const, 'Recreate' as const, 'InPlaceOrRecreate' as const),
      controlledResources: fc.option(
        fc.uniqueArray(fc.constantFrom('cpu' as const, 'memory' as const), { minLength: 1 }),
        {
          nil: undefined,
        },
      ),
    });
    const spec = fc.record({
      environment: fc.constantFrom('development' as const, 'staging' as const, 'production' as const),
      replicas: fc.option(fc.constant(2), { nil: undefined }),
      autoscaling: fc.record({ horizontal: fc.option(horizontal, { nil: undefined }), vertical }),
    });
    fc.assert(
      fc.property(spec, (generated) => {
        const [one, other] = [scaled(generated), sized(generated)];
        assert.notDeepEqual(one, []);
        assert.notDeepEqual(other, []);
        assert.deepEqual(one?.filter((resource) => other?.includes(resource)) ?? [], []);
      }),
    );
  });
});
