/** Which Secrets a PcfApi reads. */
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';

export interface SecretKeyRef {
  name: string;
  key: string;
}

/** Every Secret key that a pod of this spec reads. */
export function secretRefs({ database, redis, env }: PcfApiSpec): SecretKeyRef[] {
  const fromEnv = env.flatMap(({ valueFrom }) => (valueFrom ? [valueFrom.secretKeyRef] : []));
  return [database.secretRef, ...(redis ? [redis.secretRef] : []), ...fromEnv];
}
