/** Secrets that a PcfApi reads, and the environment variables of the API they are for. */
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

/** All Secret keys that the pods of this spec read. */
export function secretRefs(spec: PcfApiSpec): SecretKeyRef[] {
  const fromEnv = spec.env.flatMap(({ valueFrom }) => (valueFrom ? [valueFrom.secretKeyRef] : []));
  return [...secretSettings(spec).map(({ ref }) => ref), ...fromEnv];
}

/** Secrets that the pods read completely. */
export function wholeSecrets({
  envFrom = [],
  volumes = [],
}: PcfApiSpec): { name: string; optional: boolean }[] {
  const sources = [
    ...envFrom.map(({ secretRef }) => secretRef),
    ...volumes.map(({ secret }) => secret && { name: secret.secretName, optional: secret.optional }),
  ];
  return sources
    .filter((source) => source !== undefined)
    .map(({ name, optional = false }) => ({ name, optional }));
}

/**
 * Certificate and key for the HTTPS server of the pods. Not part of {@link secretRefs}: the API reloads a renewed
 * certificate, so it needs no new revision, and no ExternalSecret is created for it.
 */
export function servingCertificate({ traffic }: PcfApiSpec): SecretKeyRef[] {
  const { secretName: name } = traffic?.backendTLS ?? {};
  return name ? ['tls.crt', 'tls.key'].map((key) => ({ name, key })) : [];
}

/** Names of all Secrets that the pods of this spec read. */
export function secretNames(spec: PcfApiSpec): string[] {
  return [
    ...new Set(
      [...secretRefs(spec), ...wholeSecrets(spec), ...servingCertificate(spec)].map(({ name }) => name),
    ),
  ];
}
