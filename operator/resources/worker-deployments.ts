/**
 * Deployments of the worker as part of a delivery (`components.worker.canary`): one per revision, with the number of
 * pods that the planner returns. A promotion restarts none of them.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { isWorkerDelivered, podRange } from './component-autoscaler.js';
import { componentDeployment, componentName, componentSelector } from './components.js';
import { LABELS } from './metadata.js';
import type { Revision } from './revision.js';

/** Name of the Deployment of a revision's workers. */
export function workerName(revision: string): string {
  return `${revision}-worker`;
}

/** `workers`: number of pods per revision. */
export function workerDeployments(
  api: PcfApi,
  revisions: ReadonlyMap<string, Revision>,
  workers: Readonly<Record<string, number>> = {},
): KubeObject[] {
  if (!isWorkerDelivered(api.spec)) return [];
  return Object.entries(workers).flatMap(([name, replicas]) => {
    const revision = revisions.get(name);
    if (!revision) return [];
    const pods = { ...componentSelector(api, 'worker'), [LABELS.revision]: name };
    const labels = { [LABELS.revision]: name };
    return [componentDeployment(api, revision, 'worker', { name: workerName(name), labels, pods, replicas })];
  });
}

interface Deployment extends KubeObject {
  spec?: { replicas?: number };
  status?: { readyReplicas?: number };
}

/**
 * Whether workers continue until those of the stable revision replace them: `components.worker.canary` was enabled
 * or disabled, which changes the Deployment. `live`: the Deployments in the cluster.
 */
export function isReplacing(
  api: PcfApi,
  stable: string | undefined,
  { metadata }: KubeObject,
  live: readonly KubeObject[],
): boolean {
  const { worker } = api.spec.components ?? {};
  if (!stable || !worker?.enabled || podRange(worker).max === 0) return false;
  const common = componentName(api, 'worker');
  const { [LABELS.revision]: revision } = metadata.labels ?? {};
  const isDelivered = isWorkerDelivered(api.spec);
  // If it was disabled in a delivery, the stable revision need not be the one with the workers.
  const isBefore = isDelivered
    ? metadata.name === common
    : revision !== undefined && metadata.name === workerName(revision);
  if (!isBefore) return false;
  const after = isDelivered ? workerName(stable) : common;
  const next = live.find((object) => object.metadata.name === after) as Deployment | undefined;
  return !next || (next.status?.readyReplicas ?? 0) < (next.spec?.replicas ?? 1);
}
