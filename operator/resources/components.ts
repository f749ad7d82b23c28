/**
 * Additional roles of the API in separate pods, the worker and the login: Deployments with image and settings
 * of the stable revision. They are updated after a promotion, by a rolling update of Kubernetes. The worker can be
 * part of the delivery instead, see worker-deployments.ts.
 */
import { ENV, FILE_SUFFIX, ROLES } from '../../contract/image.js';
import { givenResources } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { withPlainProbes } from './backend-tls.js';
import { componentAutoscaler, desiredReplicas, isWorkerDelivered, podRange } from './component-autoscaler.js';
import { COMPONENT_SURGE } from './connection-budget.js';
import { DeploymentKind } from './kinds.js';
import { LABELS, owned } from './metadata.js';
import { componentBudget } from './pod-disruption-budget.js';
import { type PodTemplate, variant } from './pod-template.js';
import type { Revision } from './revision.js';
import { componentService } from './service.js';

export const EXTRA_COMPONENTS = ['worker', 'auth'] as const;
/** Components with a Service. */
const SERVING: readonly ExtraComponent[] = ['auth'];
export type ExtraComponent = (typeof EXTRA_COMPONENTS)[number];

/** Name of the Deployment and the Service of a component. */
export function componentName(api: PcfApi, component: ExtraComponent): string {
  return `${api.metadata.name}-${component}`;
}

/** Deployments, Services and autoscalers of enabled components. `live`: their Deployments in the cluster. */
export function components(
  api: PcfApi,
  stable: Revision | undefined,
  live: readonly KubeObject[] = [],
): KubeObject[] {
  if (!stable) return [];
  const enabled = EXTRA_COMPONENTS.filter((component) => api.spec.components?.[component]?.enabled);
  const hasRolledWorker = !isWorkerDelivered(api.spec) && !lacksRedis(api, stable);
  const rolled = enabled.filter((component) => component !== 'worker' || hasRolledWorker);
  return rolled.flatMap((component) => [
    rolledDeployment(api, stable, component, live),
    ...autoscaler(api, component),
    ...(SERVING.includes(component) ? serving(api, component) : []),
  ]);
}

/** Whether the worker of a revision cannot start, because `redis` was added to the spec after it. */
export function lacksRedis({ spec }: PcfApi, { template }: Revision): boolean {
  const [{ env }] = template.spec.containers;
  return (
    spec.redis !== undefined &&
    !env.some(({ name }) => [ENV.redisUrl, ENV.redisUrl + FILE_SUFFIX].includes(name))
  );
}

/** Selects the pods of a component. */
export function componentSelector(api: PcfApi, component: ExtraComponent): Record<string, string> {
  return { [LABELS.instance]: api.metadata.name, [LABELS.component]: component };
}

function autoscaler(api: PcfApi, component: ExtraComponent): KubeObject[] {
  const labels = { [LABELS.component]: component };
  const settings = api.spec.components?.[component];
  const object = componentAutoscaler(api, componentName(api, component), labels, settings);
  return object ? [object] : [];
}

function serving(api: PcfApi, component: ExtraComponent): KubeObject[] {
  const labels = { [LABELS.component]: component };
  const name = componentName(api, component);
  const pods = componentSelector(api, component);
  const budget = componentBudget(api, name, podRange(api.spec.components?.[component]).max, pods);
  return [componentService(api, name, labels, pods), ...(budget ? [budget] : [])];
}

/** Spread like the pods of the API, separately per component. */
function spread(template: PodTemplate, matchLabels: Record<string, string>): object {
  const { topologySpreadConstraints } = template.spec as { topologySpreadConstraints?: object[] };
  if (!topologySpreadConstraints) return {};
  const own = topologySpreadConstraints.map((constraint) => ({
    ...constraint,
    labelSelector: { matchLabels },
  }));
  return { topologySpreadConstraints: own };
}

function rolledDeployment(
  api: PcfApi,
  stable: Revision,
  component: ExtraComponent,
  live: readonly KubeObject[],
): KubeObject {
  const name = componentName(api, component);
  const current = live.find(({ metadata }) => metadata.name === name);
  const replicas = desiredReplicas(api.spec.components?.[component], current);
  const pods = componentSelector(api, component);
  return componentDeployment(api, stable, component, { name, labels: {}, pods, replicas });
}

interface ComponentDeployment {
  name: string;
  labels: Record<string, string>;
  /** Selects its pods. */
  pods: Record<string, string>;
  /** Undefined: an autoscaler sets it. */
  replicas: number | undefined;
}

/** A Deployment with the pod of a revision in the role of the component. */
export function componentDeployment(
  api: PcfApi,
  revision: Revision,
  component: ExtraComponent,
  { name, labels, pods, replicas }: ComponentDeployment,
): KubeObject {
  const resources = givenResources(api.spec.components?.[component]?.resources);
  const [container] = revision.template.spec.containers;
  const { metadata, spec } = variant(revision.template, component, {
    ...(component === 'worker' ? withPlainProbes(container) : container),
    name: component,
    args: [...ROLES[component]],
    ...(resources ? { resources } : {}),
  });
  return owned(api, DeploymentKind, name, {
    labels: { ...labels, [LABELS.component]: component },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      revisionHistoryLimit: 0,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: COMPONENT_SURGE, maxUnavailable: 0 } },
      selector: { matchLabels: pods },
      template: { metadata, spec: { ...spec, ...spread(revision.template, pods) } },
    },
  });
}
