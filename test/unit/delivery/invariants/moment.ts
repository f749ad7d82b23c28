/** What an invariant reads: one reconcile, with the state before and after it. */
import type { DeliveryPlan } from '../../../../operator/delivery/delivery-plan.js';
import type { DeliverySpec } from '../../../../operator/delivery/delivery-spec.js';
import type { Observation, RouteView } from '../../../../operator/delivery/observation.js';
import type { ModelCluster } from '../model-cluster.js';

export interface Moment {
  /** Input of the planner. */
  observation: Observation;
  settings: DeliverySpec;
  plan: DeliveryPlan;
  /** Ready pods before the reconcile, without the lag of caches. */
  readyBefore: Map<string, number>;
  /** The route before the reconcile, without the lag of caches. */
  routeBefore: RouteView | undefined;
  cluster: ModelCluster;
}

/** Invariants by their titles. Each throws if the plan breaks it. */
export type Invariants = Record<string, (moment: Moment) => void>;

export const readyPods = ({ revisions }: ModelCluster) =>
  new Map([...revisions].map(([revision, { ready }]) => [revision, ready]));
export const viewOf = ({ observation }: Moment, revision: string | undefined) =>
  observation.revisions.find((view) => view.name === revision);
export const isReady = (moment: Moment, revision: string | undefined) =>
  (viewOf(moment, revision)?.ready ?? 0) > 0;
export const readyWorkers = (moment: Moment, revision: string | undefined) => {
  const { replicas = 0, ready = 0 } = viewOf(moment, revision)?.workers ?? {};
  return Math.min(replicas, ready);
};
export const shares = (route: RouteView | undefined) =>
  Object.entries(route?.weights ?? {}).filter(([, share]) => share > 0);

/** Whether this plan only records a recovered position. */
export const isRecovering = ({ observation: { position }, plan }: Moment) =>
  !position.stable && !position.update && plan.position.stable !== undefined;
