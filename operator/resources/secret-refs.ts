/** Which Secrets a PcfApi reads, and for which variable of the API. */
import { ENV } from '../../contract/image.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';

export interface SecretKeyRef {
  name: string;
  key: string;
}

/** Settings of the API that come from Secrets. */
export function secretSettings({
  database,
  redis,
  auth,
}: PcfApiSpec): { variable: string; ref: SecretKeyRef }[] {
  const { secretRef, readReplicaSecretRef } = database;
  return [
    { variable: ENV.databaseUrl, ref: secretRef },
    ...(readReplicaSecretRef ? [{ variable: ENV.databaseReplicaUrl, ref: readReplicaSecretRef }] : []),
    ...(redis ? [{ variable: ENV.redisUrl, ref: redis.secretRef }] : []),
    ...(auth ? [{ variable: ENV.jwtSecret, ref: auth.jwtSecretRef }] : []),
  ];
}

/** Every Secret key that a pod of this spec reads. */
export function secretRefs(spec: PcfApiSpec): SecretKeyRef[] {
  const fromEnv = spec.env.flatMap(({ valueFrom }) => (valueFrom ? [valueFrom.secretKeyRef] : []));
  return [...secretSettings(spec).map(({ ref }) => ref), ...fromEnv];
}
