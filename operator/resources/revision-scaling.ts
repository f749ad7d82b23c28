/** Settings of the horizontal autoscaler that are part of a revision, with `autoscaling.horizontal.onChange: Rollout`. */
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
 * The PcfApi as autoscalers read it: with the settings of the stable revision, so that a delivery does not change what
 * an autoscaler does. `stable`: inputs of the stable revision. Without recorded settings, those of the spec apply.
 */
export function withStableScaling(api: PcfApi, stable: Inputs): PcfApi {
  const { horizontal } = stable?.autoscaling ?? {};
  if (!horizontal || !revisionScaling(api.spec)) return api;
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
