/**
 * PostgreSQL connections: divides `spec.database.maxConnections` by the maximum number of pods during a
 * delivery. That is two full revisions: the stable one, and a canary at weight 100.
 */
import { fullReplicas, horizontalScaling } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { type ComponentSpec, isWorkerDelivered, podRange } from './component-autoscaler.js';

/** Connections of a migration Job: one for statements, one for the advisory lock. */
const FOR_MIGRATIONS = 2;
/** Pods that a rollout of the worker or the login adds. */
export const COMPONENT_SURGE = 1;

/** Both revisions have all workers while the second one is promoted at once. */
function mostOfComponent(component: Partial<ComponentSpec> | undefined, revisions: 1 | 2): number {
  const { max } = podRange(component);
  if (!component?.enabled || max === 0) return 0;
  return revisions * max + COMPONENT_SURGE;
}
/** A pod needs one connection for statements, and one to monitor the database. */
export const LEAST_PER_POD = 2;

/** `scaledApi`: the PcfApi as autoscalers read it, whose maximum is in effect until the promotion. */
export function mostPods(api: PcfApi, scaledApi = api): number {
  const maxima = [api, scaledApi].map((one) => horizontalScaling(one)?.maxReplicas ?? 0);
  const full = Math.max(fullReplicas(api.spec), ...maxima);
  const { worker, auth } = api.spec.components ?? {};
  const workers = mostOfComponent(worker, isWorkerDelivered(api.spec) ? 2 : 1);
  return 2 * full + workers + mostOfComponent(auth, 1);
}

/**
 * Maximum connections per pod, or undefined without a budget. By the maximum of the spec, because the pods have it
 * permanently, and another maximum is in effect during one delivery only.
 */
export function connectionsPerPod(api: PcfApi): number | undefined {
  const { maxConnections } = api.spec.database;
  if (maxConnections === undefined) return undefined;
  const share = Math.floor((maxConnections - FOR_MIGRATIONS) / Math.max(1, mostPods(api)));
  return Math.max(LEAST_PER_POD, share);
}

/** Maximum number of open connections of `pods` pods, with `perPod` connections per pod. */
export function connectionsNeeded(pods: number, perPod: number): number {
  return perPod * pods + FOR_MIGRATIONS;
}
