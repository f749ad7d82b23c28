/** The meaning of a spec: empty blocks and defaults that are spelled out are removed. Pure. */
import { podResources, topologySpread } from '../api/v1alpha1/defaults.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { DEFAULT_TIMING, TERMINATION_GRACE_MS } from './pod-template.js';

/** Fields of the spec that configure pods, without what changes nothing. Charts and GitOps tools render such blocks. */
export function meaningOf(spec: PcfApiSpec) {
  const { environment, terminationGracePeriod: grace, availability } = spec;
  const spread = availability?.topologySpread;
  const isDefaultSpread = spread === topologySpread({ environment });
  const isDefaultGrace = grace !== undefined && durationMs(grace) === TERMINATION_GRACE_MS;
  return {
    resources: unless(podResources({ environment }), spec.resources),
    config: withoutEmpty(spec.config, 1),
    imagePullSecrets: withoutEmpty(spec.imagePullSecrets),
    probes: probesOf(spec),
    terminationGracePeriod: isDefaultGrace ? undefined : grace,
    scheduling: withoutEmpty(spec.scheduling, 1),
    topologySpread: isDefaultSpread ? undefined : spread,
    envFrom: withoutEmpty(spec.envFrom),
    volumes: withoutEmpty(spec.volumes),
    volumeMounts: withoutEmpty(spec.volumeMounts),
    tmp: withoutEmpty(spec.tmp),
    podMetadata: withoutEmpty(spec.podMetadata),
  };
}

/** A probe with one field that differs stays as it is: its recorded revisions keep their names. */
function probesOf({ probes = {} }: PcfApiSpec) {
  const changed = Object.entries(probes).filter(([name, given]) => {
    const timing = DEFAULT_TIMING[name as keyof typeof DEFAULT_TIMING];
    return canonicalJson({ ...timing, ...given }) !== canonicalJson(timing);
  });
  return withoutEmpty(Object.fromEntries(changed));
}

function unless<T>(byDefault: unknown, given: T): T | undefined {
  return canonicalJson(given) === canonicalJson(byDefault) ? undefined : given;
}

/** Removes empty objects and lists down to a depth. An empty value of a setting has a meaning. */
function withoutEmpty(value: unknown, depth = Number.POSITIVE_INFINITY): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.length > 0 ? value : undefined;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, depth > 0 ? withoutEmpty(item, depth - 1) : item] as const)
    .filter(([, item]) => item !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
