/** Whether the operator rotates the signing keys of a PcfApi, and in which Secret. Pure. */
import { ENV_PREFIX } from '../../contract/image.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { isOwnedBy } from '../resources/metadata.js';
import { type SecretKeyRef, secretNames } from '../resources/secret-refs.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { KEYS_ANNOTATION, parseKeys, type SigningKey } from './key-set.js';
import type { RotationSpec } from './rotation.js';

/** Default of `auth.access_token_ttl` in the settings of the API. */
export const ACCESS_TOKEN_TTL = '10m';
const TOKEN_TTL_VARIABLE = `${ENV_PREFIX}AUTH__ACCESS_TOKEN_TTL`;
/** Time until all pods have read a changed Secret. The kubelet needs up to two minutes. */
export const PROPAGATION = '5m';

/** The cached part of a Secret. `keyIds`: IDs of the lines of each value, if the operator created the Secret. */
export interface KeySecret extends KubeObject {
  keyIds?: Record<string, string[]>;
}

/** The signing keys in the Secret that the operator rotates. */
export interface RotatedKeys {
  ref: SecretKeyRef;
  spec: RotationSpec;
  /** IDs of the lines of the value. An unusable line has an empty ID. */
  ids: string[];
  recorded: SigningKey[];
}

/** `blocked`: the cause, and the required action. */
export type KeySource = RotatedKeys | { blocked: string };

/** Undefined if the spec requires no rotation. */
export function keySourceOf(
  api: PcfApi,
  get: (name: string) => KeySecret | undefined,
): KeySource | undefined {
  const { auth } = api.spec;
  if (!auth?.rotation?.interval) return undefined;
  const { jwtSecretRef: ref, rotation } = auth;
  const secret = get(ref.name);
  const blocked = obstacleOf(api, secret);
  if (blocked) return { blocked };
  return {
    ref,
    spec: { intervalMs: durationMs(rotation.interval!), overlapMs: durationMs(rotation.overlap) },
    ids: secret?.keyIds?.[ref.key] ?? [],
    recorded: parseKeys(secret?.metadata.annotations?.[KEYS_ANNOTATION]),
  };
}

/** Whether the operator creates the Secret with the signing keys. */
export function generatesKeys({ auth, secrets }: PcfApiSpec): boolean {
  return auth?.rotation?.interval !== undefined && secrets?.provider !== 'ExternalSecrets';
}

const STEPS =
  'write the new key to its second line, after overlap move it to the first line, and after overlap remove the old key';

function obstacleOf(api: PcfApi, secret: KeySecret | undefined): string | undefined {
  const { spec, metadata } = api;
  const { name } = spec.auth!.jwtSecretRef;
  const prefix = 'auth.rotation.interval is not in effect:';
  const unset = 'remove interval';
  if (!generatesKeys(spec))
    return `${prefix} the signing key of Secret ${name} comes from the store ${spec.secrets?.store?.name}. Rotate it there (${STEPS}), and ${unset}`;
  if (isShared(spec))
    return `${prefix} the pods read Secret ${name} for other values too. Name a Secret in auth.jwtSecretRef that does not exist, which the operator creates`;
  if (secret && !isOwnedBy(secret, api))
    return `${prefix} Secret ${metadata.namespace}/${name} was not created by the operator. Name a Secret in auth.jwtSecretRef that does not exist, or rotate its key yourself (${STEPS}) and ${unset}`;
  return overlapProblem(spec, prefix);
}

function isShared(spec: PcfApiSpec): boolean {
  const { name } = spec.auth!.jwtSecretRef;
  const others = { ...spec, auth: undefined };
  return secretNames(others).includes(name);
}

/** The schema checks the default lifetime of access tokens, and cannot read another one in `config` and `env`. */
function overlapProblem({ auth, config, env }: PcfApiSpec, prefix: string): string | undefined {
  const { overlap } = auth!.rotation!;
  const variable = env.find(({ name }) => name === TOKEN_TTL_VARIABLE);
  if (variable && variable.value === undefined)
    return `${prefix} ${TOKEN_TTL_VARIABLE} is set with valueFrom, so overlap cannot be compared with it. Set it with value, or remove it`;
  const configured = variable?.value ?? config?.auth?.access_token_ttl;
  const lifetime = typeof configured === 'string' ? configured : ACCESS_TOKEN_TTL;
  if (durationMs(overlap) >= durationMs(lifetime) + durationMs(PROPAGATION)) return undefined;
  return `${prefix} overlap ${overlap} is shorter than the setting auth.access_token_ttl ${lifetime} and ${PROPAGATION}, the time until all pods have read a changed Secret. Raise overlap`;
}
