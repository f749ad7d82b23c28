/** Settings of the horizontal autoscaler that are part of a revision, with `autoscaling.horizontal.onChange: Rollout`. */
import { horizontalScaling, TARGET_UTILIZATION } from '../api/v1alpha1/defaults.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { canonicalJson } from '../runtime/canonical-json.js';

type Horizontal = NonNullable<NonNullable<PcfApiSpec['autoscaling']>['horizontal']>;
type Inputs = { autoscaling?: { horizontal?: Horizontal } } | undefined;

/** Undefined if a change of them takes effect immediately. */
export function revisionScaling({ autoscaling }: Pick<PcfApiSpec, 'autoscaling'>): Horizontal | undefined {
  const { horizontal } = autoscaling ?? {};
  return horizontal?.onChange === 'Rollout' ? horizontal : undefined;
}

/**
 * Settings of the stable revision, if they are in effect instead of those of the spec. `stable`: inputs of the stable
 * revision. Only an explicit other mode takes effect immediately: to remove the block is a change like any other.
 */
export function stableScaling(
  { autoscaling }: Pick<PcfApiSpec, 'autoscaling'>,
  stable: Inputs,
): Horizontal | undefined {
  const isImmediate = autoscaling?.horizontal !== undefined && !revisionScaling({ autoscaling });
  return isImmediate ? undefined : stable?.autoscaling?.horizontal;
}

/**
 * The PcfApi as autoscalers read it: with the settings of the stable revision, so that a delivery does not change what
 * an autoscaler does. Without recorded settings, those of the spec apply.
 */
export function withStableScaling(api: PcfApi, stable: Inputs): PcfApi {
  const horizontal = stableScaling(api.spec, stable);
  if (!horizontal) return api;
  const scaled = withHorizontal(api, horizontal);
  // `vertical` is not part of a revision. It can size every default target of the stable settings, which would delete
  // the autoscaler during the delivery although it is to exist afterwards.
  const isToExist = horizontalScaling(api) !== undefined || !api.spec.autoscaling?.horizontal;
  if (!isToExist || horizontal.enabled === false || horizontalScaling(scaled)) return scaled;
  return withHorizontal(api, { ...horizontal, ...TARGET_UTILIZATION });
}

function withHorizontal(api: PcfApi, horizontal: Horizontal): PcfApi {
  return { ...api, spec: { ...api.spec, autoscaling: { ...api.spec.autoscaling, horizontal } } };
}

/** Differences of two settings, such as `maxReplicas 10 -> 20`. */
export function scalingChanges(before: Horizontal | undefined, after: Horizontal | undefined): string[] {
  const [old, fresh] = [before ?? {}, after ?? {}] as [Record<string, unknown>, Record<string, unknown>];
  const fields = [...new Set([...Object.keys(old), ...Object.keys(fresh)])].sort();
  return fields
    .filter((field) => canonicalJson(old[field] ?? null) !== canonicalJson(fresh[field] ?? null))
    .map((field) => `${field} ${textOf(old[field])} -> ${textOf(fresh[field])}`);
}

function textOf(value: unknown): string {
  if (value === undefined) return 'default';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
