/** Secrets that a PcfApi reads: which are missing, and whether their contents changed. */
import { createHash, createHmac } from 'node:crypto';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { type SecretKeyRef, secretRefs, servingCertificate, wholeSecrets } from '../resources/secret-refs.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject } from '../runtime/kube-types.js';

/** The cached part of a Secret: a hash of each value. */
export interface SecretDigest extends KubeObject {
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
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, uid, resourceVersion }, digests };
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
