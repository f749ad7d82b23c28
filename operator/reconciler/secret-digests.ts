/** Secrets that a PcfApi reads: which are missing, and whether their contents changed. */
import { createHash, createHmac } from 'node:crypto';
import { keyIdOf, MIN_SECRET_BYTES, secretLines } from '../../contract/signing-keys.js';
import { FIELD_MANAGER, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { LABELS } from '../resources/metadata.js';
import { type SecretKeyRef, secretRefs, servingCertificate, wholeSecrets } from '../resources/secret-refs.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject, ObjectMeta } from '../runtime/kube-types.js';
import { KEYS_ANNOTATION } from '../signing-keys/key-set.js';
import type { KeySecret } from '../signing-keys/source.js';

/** The cached part of a Secret: a hash of each value. */
export interface SecretDigest extends KeySecret {
  digests: Record<string, string>;
}

/** The hash is keyed by the Secret's name, so that equal values of two Secrets have different hashes. */
export function digestOf(secret: KubeObject): SecretDigest {
  const { name, namespace, uid, resourceVersion } = secret.metadata;
  const { data = {} } = secret as KubeObject & { data?: Record<string, string> };
  const digests = Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      createHmac('sha256', `${namespace}/${name}`).update(value).digest('base64url'),
    ]),
  );
  const metadata = { name, namespace, uid, resourceVersion, ...ownershipOf(secret.metadata) };
  const keyIds = metadata.labels ? { keyIds: mapValues(data, keyIdsOf) } : {};
  return { apiVersion: 'v1', kind: 'Secret', metadata, digests, ...keyIds };
}

/** The metadata that identifies a Secret of the operator. */
function ownershipOf({ labels, annotations, ownerReferences }: ObjectMeta): Partial<ObjectMeta> {
  const isOurs =
    labels?.[LABELS.managedBy] === FIELD_MANAGER || ownerReferences?.some(({ kind }) => kind === KIND);
  if (!isOurs) return {};
  const keys = annotations?.[KEYS_ANNOTATION];
  return {
    labels: labels ?? {},
    ownerReferences,
    ...(keys ? { annotations: { [KEYS_ANNOTATION]: keys } } : {}),
  };
}

/** IDs of the keys in an encoded value. A line that the API rejects as a key has an empty ID. */
function keyIdsOf(encoded: string): string[] {
  const lines = secretLines(Buffer.from(encoded, 'base64').toString('utf8'));
  return lines.map((line) => (Buffer.byteLength(line) < MIN_SECRET_BYTES ? '' : keyIdOf(line)));
}

function mapValues<T>(record: Record<string, string>, map: (value: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

export interface MissingSecret {
  name: string;
  /** The missing key; undefined if the Secret does not exist. */
  key?: string;
}

type GetSecret = (name: string) => SecretDigest | undefined;

export function missingSecrets({ spec }: PcfApi, get: GetSecret): MissingSecret[] {
  const keys = [...secretRefs(spec), ...servingCertificate(spec)].flatMap(
    ({ name, key }): MissingSecret[] => {
      const secret = get(name);
      if (!secret) return [{ name }];
      return key in secret.digests ? [] : [{ name, key }];
    },
  );
  const whole = wholeSecrets(spec).filter(({ name, optional }) => !optional && !get(name));
  return [...keys, ...whole.map(({ name }) => ({ name }))];
}

/**
 * One hash over the values of all Secrets that the pods read, for `onChange: Rollout`. Undefined for other settings,
 * and if a Secret is missing: the deletion of a Secret must not replace pods that still have its values.
 */
export function secretsHash({ spec }: PcfApi, get: GetSecret): string | undefined {
  if (spec.secrets?.onChange !== 'Rollout') return undefined;
  const values = [
    ...secretRefs(spec).map((ref) => valueDigest(ref, get)),
    ...wholeSecrets(spec).map(({ name, optional }) => wholeDigest(get(name), optional)),
  ];
  if (values.includes(undefined)) return undefined;
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url').slice(0, 16);
}

function valueDigest({ name, key }: SecretKeyRef, get: GetSecret): string | undefined {
  return get(name)?.digests[key];
}

/** Digest of a Secret that a pod reads as a whole. Its keys are part of the content. */
function wholeDigest(secret: SecretDigest | undefined, optional: boolean): string | undefined {
  if (!secret) return optional ? '' : undefined;
  return canonicalJson(secret.digests);
}
