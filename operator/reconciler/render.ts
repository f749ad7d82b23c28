/** All objects of a PcfApi in steady state, without a cluster. */
import { fullReplicas } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { desiredObjects } from './desired.js';
import { observe } from './observe.js';
import type { ClusterView } from './observed.js';
import { deliverySpecOf } from './strategies.js';

/** A cluster that has every kind and no object. */
export const EMPTY_CLUSTER: ClusterView = {
  get: () => undefined,
  userRoute: () => undefined,
  ownedBy: () => [],
  secret: () => undefined,
  available: () => true,
  foreignAutoscalers: () => [],
  claimants: () => [],
  gatewayClasses: () => [],
};

/** In the order of the operator's writes, including the migration Job. */
export function render(api: PcfApi): KubeObject[] {
  const observed = observe(api, EMPTY_CLUSTER);
  const revision = observed.delivery.target;
  const readyReplicas = fullReplicas(api.spec);
  const { replicas: workers = 0 } = deliverySpecOf(api, observed.router).workers ?? {};
  const settled: DeliveryPlan = {
    position: { stable: revision },
    migrate: revision,
    job: { revision, stage: 'expand', attempt: 1 },
    replicas: { [revision]: readyReplicas },
    workers: workers > 0 ? { [revision]: workers } : {},
    route: { weights: { [revision]: 100 } },
    traffic: { desiredWeight: 0, effectiveWeight: 0, verified: true },
    decisions: [],
  };
  const delivery = { ...observed.delivery, startable: true };
  return desiredObjects({ ...observed, readyReplicas, delivery }, settled);
}
