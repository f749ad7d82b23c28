/**
 * PostgreSQL connections: `spec.database.maxConnections` shared out over the most pods
 * that a delivery may need at once. That is two full revisions: the stable one, and a
 * canary at weight 100.
 */
import { fullReplicas, horizontalScaling } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';

/** What the migration Job needs: one connection to work, one that holds the lock. */
const FOR_MIGRATIONS = 2;
/** Pods that a rollout of the worker or the login starts beside those that run. */
export const COMPONENT_SURGE = 1;
/** A pod works with one connection and watches the database with another. */
export const LEAST_PER_POD = 2;

export function mostPods(api: PcfApi): number {
  const full = Math.max(fullReplicas(api.spec), horizontalScaling(api)?.maxReplicas ?? 0);
  const { worker, auth } = api.spec.components ?? {};
  const others = [worker, auth].map((component) =>
    component?.enabled && component.replicas > 0 ? component.replicas + COMPONENT_SURGE : 0,
  );
  return others.reduce((sum, replicas) => sum + replicas, 2 * full);
}

/** Connections a pod may open, or undefined without a budget. */
export function connectionsPerPod(api: PcfApi): number | undefined {
  const { maxConnections } = api.spec.database;
  if (maxConnections === undefined) return undefined;
  const share = Math.floor((maxConnections - FOR_MIGRATIONS) / Math.max(1, mostPods(api)));
  return Math.max(LEAST_PER_POD, share);
}

/** Connections that may be open at most, with pods that open `perPod` each. */
export function connectionsNeeded(api: PcfApi, perPod: number): number {
  return perPod * mostPods(api) + FOR_MIGRATIONS;
}
