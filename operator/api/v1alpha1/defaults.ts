/**
 * Defaults that depend on the environment or on other fields. Constant defaults are in the CRD.
 */
import { sameQuantity } from '../../runtime/quantity.js';
import { FIELD_MANAGER, type PcfApi } from './pcfapi.js';
import type { PcfApiSpec } from './spec.js';

type Scaling = NonNullable<NonNullable<PcfApiSpec['autoscaling']>['horizontal']>;
type Resources = NonNullable<PcfApiSpec['resources']>;

/** Source: the deployment guide's minimum, and its recommendation of three instances for high availability. */
const byEnvironment = {
  development: {
    replicas: 1,
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '1', memory: '512Mi' } },
    topologySpread: 'None',
  },
  staging: {
    replicas: 2,
    resources: { requests: { cpu: '250m', memory: '512Mi' }, limits: { cpu: '1', memory: '1Gi' } },
    topologySpread: 'Zone',
  },
  production: {
    replicas: 3,
    resources: { requests: { cpu: '500m', memory: '768Mi' }, limits: { cpu: '2', memory: '2Gi' } },
    topologySpread: 'Zone',
  },
} as const;

const MAX_REPLICAS = 10;
export const TARGET_UTILIZATION = { cpu: 70, memory: 80 } as const;

const RESOURCES = ['cpu', 'memory'] as const;
export type SizedResource = (typeof RESOURCES)[number];

/** Number of pods for the whole traffic. */
export function fullReplicas(spec: Pick<PcfApiSpec, 'replicas' | 'environment'>): number {
  return spec.replicas ?? byEnvironment[spec.environment].replicas;
}

export function podResources(spec: Pick<PcfApiSpec, 'resources' | 'environment'>): Resources {
  const byDefault: Resources = byEnvironment[spec.environment].resources;
  const given = givenResources(spec.resources);
  return given && !areSameResources(given, byDefault) ? given : byDefault;
}

/** Removes empty blocks, which charts render for unset values. Undefined if nothing is set. */
export function givenResources({ requests, limits }: Resources = {}): Resources | undefined {
  const isGiven = (list: object = {}) => Object.keys(list).length > 0;
  if (!isGiven(requests) && !isGiven(limits)) return undefined;
  return { ...(isGiven(requests) ? { requests } : {}), ...(isGiven(limits) ? { limits } : {}) };
}

function areSameResources(one: Resources, other: Resources): boolean {
  return (['requests', 'limits'] as const).every((part) => {
    const [a, b]: Record<string, unknown>[] = [one[part] ?? {}, other[part] ?? {}];
    const names = [...Object.keys(a!), ...Object.keys(b!)];
    return names.every((name) => sameQuantity(a![name], b![name]));
  });
}

export function topologySpread(
  spec: Pick<PcfApiSpec, 'availability' | 'environment'>,
): 'Zone' | 'Node' | 'None' {
  return spec.availability?.topologySpread ?? byEnvironment[spec.environment].topologySpread;
}

/** Settings of the HorizontalPodAutoscaler. */
export interface HorizontalScaling extends Pick<Scaling, 'cpu' | 'memory' | 'metrics' | 'behavior'> {
  minReplicas: number;
  maxReplicas: number;
}

/**
 * The horizontal autoscaler's settings with all defaults, or undefined when there is to be none:
 * also where the vertical one leaves it nothing to scale on. Kubernetes would take CPU then.
 */
export function horizontalScaling(api: PcfApi): HorizontalScaling | undefined {
  const { spec } = api;
  const asked = spec.autoscaling?.horizontal;
  const byDefault = asked !== undefined || (spec.environment === 'production' && !replicasChosenBy(api));
  if (!(asked?.enabled ?? byDefault)) return undefined;
  const { cpu, memory, metrics, behavior } = asked ?? {};
  const least = asked?.minReplicas ?? byEnvironment[spec.environment].replicas;
  const minReplicas = Math.min(least, asked?.maxReplicas ?? least);
  const maxReplicas = asked?.maxReplicas ?? Math.max(MAX_REPLICAS, minReplicas);
  const bounds = { minReplicas, maxReplicas, metrics, behavior };
  if (cpu !== undefined || memory !== undefined || metrics?.length) return { ...bounds, cpu, memory };
  const vertical = spec.autoscaling?.vertical;
  const sized = vertical && vertical.mode !== 'Off' ? (vertical.controlledResources ?? ['memory']) : [];
  if (RESOURCES.every((resource) => sized.includes(resource))) return undefined;
  return {
    ...bounds,
    cpu: sized.includes('cpu') ? undefined : TARGET_UTILIZATION.cpu,
    memory: sized.includes('memory') ? undefined : TARGET_UTILIZATION.memory,
  };
}

/** Whether the horizontal autoscaler scales on a resource, by a utilization target or by a metric. */
export function scalesOn(resource: SizedResource, { cpu, memory, metrics = [] }: HorizontalScaling): boolean {
  if ({ cpu, memory }[resource] !== undefined) return true;
  return metrics.some((metric) =>
    [metric.resource, metric.containerResource].some((of) => of?.name === resource),
  );
}

/**
 * Resources that the vertical autoscaler sizes: those that the horizontal autoscaler does not scale on,
 * because two autoscalers on one resource would conflict. Mode Off only recommends and cannot conflict.
 * @see https://github.com/kubernetes/autoscaler/blob/master/vertical-pod-autoscaler/docs/known-limitations.md
 */
export function sizedResources(api: PcfApi): SizedResource[] {
  const vertical = api.spec.autoscaling?.vertical;
  if (!vertical) return [];
  const { mode, controlledResources = RESOURCES } = vertical;
  const horizontal = mode === 'Off' ? undefined : horizontalScaling(api);
  return controlledResources.filter((resource) => !horizontal || !scalesOn(resource, horizontal));
}

/**
 * Field manager that set `spec.replicas` in the main resource, which conflicts with an autoscaler.
 * Writes to the scale subresource (kubectl scale, an autoscaler) are marked in managedFields and do
 * not count. An object without managedFields was read from a file: its manifest sets the field.
 */
export function replicasChosenBy({ metadata, spec }: PcfApi): string | undefined {
  if (spec.replicas === undefined) return undefined;
  if (!metadata.managedFields) return 'the manifest';
  return replicasSetters(metadata).find(
    ({ manager, subresource }) => manager !== FIELD_MANAGER && subresource !== 'scale',
  )?.manager;
}

/**
 * Whether `spec.replicas` is the default that the operator wrote for an autoscaler to start from.
 * A number that an autoscaler or a user set later does not change when the autoscaler is removed.
 */
export function isReplicasDefault({ metadata, spec }: PcfApi): boolean {
  const setters = replicasSetters(metadata);
  return (
    spec.replicas !== undefined &&
    setters.length > 0 &&
    setters.every(({ manager }) => manager === FIELD_MANAGER)
  );
}

/** The managers that own `spec.replicas` of an object. */
export function replicasSetters({ managedFields = [] }: Pick<PcfApi['metadata'], 'managedFields'>) {
  return managedFields.filter(({ fieldsV1 }) => fieldsV1?.['f:spec']?.['f:replicas'] !== undefined);
}
