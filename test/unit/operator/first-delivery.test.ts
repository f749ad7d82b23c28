import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { plan } from '../../../operator/delivery/plan.js';
import { desiredObjects } from '../../../operator/reconciler/desired.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import { PodDisruptionBudgetKind, ServiceKind } from '../../../operator/resources/kinds.js';
import { LABELS } from '../../../operator/resources/metadata.js';
import { podDisruptionBudget } from '../../../operator/resources/pod-disruption-budget.js';
import { service } from '../../../operator/resources/service.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const traffic = { provider: 'Istio', hosts: ['api.example.com'], gateways: ['infra/public'] };
const base = { replicas: 3, migrations: { mode: 'Disabled' }, traffic };

/** The objects of a first delivery. `live` exist already, and `ready` is the number of ready pods. */
function desiredWith(spec: Partial<PcfApiSpec> = {}, live: KubeObject[] = [], ready = 0): KubeObject[] {
  return desiredOf(pcfApi({ ...base, ...spec } as never), live, ready);
}

function desiredOf(api: PcfApi, live: KubeObject[], ready: number): KubeObject[] {
  const view = {
    ...EMPTY_CLUSTER,
    ownedBy: ({ kind }: { kind: string }) => live.filter((object) => object.kind === kind),
  };
  const observed = observe(api, view);
  const revisions = observed.delivery.revisions.map((revision) => ({ ...revision, ready }));
  const delivery = { ...observed.delivery, revisions, startable: true };
  const planned = plan({ ...delivery, routeAgeMs: 0 }, deliverySpecOf(api, observed.router), 0);
  return desiredObjects({ ...observed, delivery, readyReplicas: ready }, planned);
}

const find = (objects: KubeObject[], { kind }: { kind: string }) =>
  objects.find((object) => object.kind === kind && object.metadata.name === pcfApi().metadata.name);
const revisionOf = (object: KubeObject | undefined) =>
  (object?.spec as { selector: Record<string, string> } | undefined)?.selector[LABELS.revision];

describe('desiredObjects of a first delivery', () => {
  it('has no Service of the API until a pod is ready, and then one that selects the revision', () => {
    assert.equal(find(desiredWith(), ServiceKind), undefined);
    const objects = desiredWith({}, [], 1);
    assert.match(revisionOf(find(objects, ServiceKind)) ?? '', /^api-/);
    const kinds = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    assert.ok(
      kinds.indexOf('Service/api') < kinds.indexOf('VirtualService/api'),
      'the Service is written first',
    );
  });

  it('has a Service with a load balancer from the start: its address takes minutes', () => {
    const exposed = desiredWith({ service: { type: 'LoadBalancer' } } as never);
    assert.equal(revisionOf(find(exposed, ServiceKind)), 'none');
  });

  it('keeps a Service that exists, with its address, when its pods are no longer ready', () => {
    const live = service(pcfApi({ ...base } as never), 'api-other');
    assert.equal(revisionOf(find(desiredWith({}, [live]), ServiceKind)), 'none');
  });

  it('has a PodDisruptionBudget once a pod is ready, and keeps it', () => {
    assert.equal(find(desiredWith(), PodDisruptionBudgetKind), undefined);
    assert.ok(find(desiredWith({}, [], 1), PodDisruptionBudgetKind));
    const live = podDisruptionBudget(pcfApi({ ...base } as never))!;
    assert.ok(find(desiredWith({}, [live]), PodDisruptionBudgetKind));
  });
});

describe('desiredObjects after the first delivery', () => {
  it('has the Service of the API, also if it was deleted while no pod is ready, or is scaled to 0', () => {
    for (const replicas of [3, 0]) {
      const api = pcfApi({ ...base, replicas } as never);
      const stable = observe(api, EMPTY_CLUSTER).delivery.target;
      api.status = { delivery: { stable } };
      assert.equal(revisionOf(find(desiredOf(api, [], 0), ServiceKind)), stable, `${replicas} replicas`);
    }
  });
});
