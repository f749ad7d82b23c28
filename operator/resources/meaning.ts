/** The meaning of a spec: empty blocks and defaults that are spelled out are removed. Pure. */
import { podResources, topologySpread } from '../api/v1alpha1/defaults.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import { DEFAULT_REDIS_MODE, DEFAULT_TIMING, TERMINATION_GRACE_MS } from './pod-template.js';
import { completeToleration, givenAffinity } from './scheduling.js';
import { withoutEmpty } from './without-empty.js';

/**
 * Fields of the spec that configure pods, without values that change nothing. Charts and GitOps tools render such
 * blocks. Within a block that remains, defaults are spelled out.
 */
export function meaningOf(spec: PcfApiSpec) {
  const { environment, terminationGracePeriod: grace, availability, redis, scheduling } = spec;
  const spread = availability?.topologySpread;
  const isDefaultSpread = spread === topologySpread({ environment });
  const isDefaultGrace = grace !== undefined && durationMs(grace) === TERMINATION_GRACE_MS;
  const isDefaultSize = podResources(spec) === podResources({ environment });
  const tolerations = scheduling?.tolerations?.map(completeToleration);
  const affinity = givenAffinity(scheduling?.affinity);
  return {
    redis: redis?.mode === DEFAULT_REDIS_MODE ? { ...redis, mode: undefined } : redis,
    resources: isDefaultSize ? undefined : podResources(spec),
    config: withoutEmpty(spec.config, 1),
    imagePullSecrets: withoutEmpty(spec.imagePullSecrets),
    probes: probesOf(spec),
    terminationGracePeriod: isDefaultGrace ? undefined : grace,
    scheduling: withoutEmpty({ ...scheduling, tolerations, affinity }, 1),
    topologySpread: isDefaultSpread ? undefined : spread,
    envFrom: withoutEmpty(spec.envFrom),
    volumes: withoutEmpty(spec.volumes),
    volumeMounts: withoutEmpty(spec.volumeMounts),
    tmp: withoutEmpty(spec.tmp),
    podMetadata: withoutEmpty(spec.podMetadata),
  };
}

function probesOf({ probes = {} }: PcfApiSpec) {
  const complete = Object.entries(probes).flatMap(([name, given]) => {
    const timing = DEFAULT_TIMING[name as keyof typeof DEFAULT_TIMING];
    const whole = { ...timing, ...given };
    return canonicalJson(whole) === canonicalJson(timing) ? [] : [[name, whole]];
  });
  return withoutEmpty(Object.fromEntries(complete));
}
