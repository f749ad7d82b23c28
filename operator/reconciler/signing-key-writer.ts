/**
 * Writes the Secret with the rotated signing keys. The keys are read only for a write, and never cached. Each step is
 * one write that fails if the Secret has changed since it was read, so an interrupted step leaves the old key set or
 * the new one.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { keyIdOf, secretLines } from '../../contract/signing-keys.js';
import { FIELD_MANAGER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { SecretKind } from '../resources/kinds.js';
import { owned, ownerReference } from '../resources/metadata.js';
import type { SecretKeyRef } from '../resources/secret-refs.js';
import {
  isConflict,
  isForbidden,
  isInvalid,
  isNotFound,
  type KubeClient,
  type KubeObject,
} from '../runtime/kube-client.js';
import { formatKeys, KEYS_ANNOTATION } from '../signing-keys/key-set.js';
import { type PlannedKeys, planKeys } from '../signing-keys/planned-keys.js';
import type { PlannedKey } from '../signing-keys/rotation.js';
import { keySourceOf } from '../signing-keys/source.js';
import { withObjectName } from './act.js';
import type { Issue } from './issues.js';
import { digestOf } from './secret-digests.js';

/** A permission that is granted causes no event. */
const RETRY_MS = 60_000;
const CONFLICT_RETRY_MS = 1_000;
const KEY_BYTES = 48;

type Secret = KubeObject & { data?: Record<string, string> };

export interface KeyWriterOptions {
  client: Pick<KubeClient, 'list' | 'create' | 'patch'>;
  /** Called with the written Secret. */
  onWrite: (written: KubeObject) => void;
  clock: () => number;
  logger: Pick<Logger, 'info'>;
}

export interface KeyWrite {
  issue?: Issue;
  retryMs?: number;
}

export class SigningKeyWriter {
  constructor(private readonly options: KeyWriterOptions) {}

  /** Writes the next key set. A rejected write is an issue, because the delivery does not depend on it. */
  async apply(api: PcfApi, { ref }: PlannedKeys): Promise<KeyWrite> {
    const { name } = ref;
    try {
      await withObjectName(`Secret ${name}`, this.rotate(api, ref));
      return {};
    } catch (error) {
      // The Secret was changed, created or deleted after it was read.
      if (isConflict(error) || isNotFound(error)) return { retryMs: CONFLICT_RETRY_MS };
      if (!isForbidden(error) && !isInvalid(error)) throw error;
      return { issue: rejectedWrite(api, name, error.message), retryMs: RETRY_MS };
    }
  }

  /** Plans again with the Secret in the API server: the cache may be older. */
  private async rotate(api: PcfApi, ref: SecretKeyRef): Promise<void> {
    const live = await this.read(api, ref.name);
    const source = keySourceOf(api, () => live && digestOf(live));
    if (!source || 'blocked' in source) return;
    const { write } = planKeys(source, this.options.clock());
    if (!write) return;
    const keys = withValues(write, live?.data?.[ref.key] ?? '');
    const written = await this.write(api, ref, live, keys);
    this.options.onWrite(written);
    const { namespace } = api.metadata;
    const ids = keys.map(({ id }) => id);
    this.options.logger.info({ namespace, secret: ref.name, keys: ids }, 'signing keys written');
  }

  private async read({ metadata }: PcfApi, name: string): Promise<Secret | undefined> {
    const { namespace } = metadata;
    const { items } = await this.options.client.list(SecretKind, {
      namespace,
      fieldSelector: `metadata.name=${name}`,
    });
    return items[0] as Secret | undefined;
  }

  private write(
    api: PcfApi,
    { name, key }: SecretKeyRef,
    live: Secret | undefined,
    keys: readonly KeyWithValue[],
  ): Promise<KubeObject> {
    const { client } = this.options;
    const fieldManager = FIELD_MANAGER;
    const text = keys.map(({ value }) => `${value}\n`).join('');
    const data = { [key]: Buffer.from(text).toString('base64') };
    const annotations = { [KEYS_ANNOTATION]: formatKeys(keys) };
    if (!live) {
      const secret = owned(api, SecretKind, name, { annotations, type: 'Opaque', data });
      return client.create(SecretKind, secret, { fieldManager });
    }
    const { namespace, resourceVersion, ownerReferences = [] } = live.metadata;
    // An adopted Secret has no owner yet.
    const owners = ownerReferences.length > 0 ? ownerReferences : [ownerReference(api)];
    const patch = { metadata: { resourceVersion, annotations, ownerReferences: owners }, data };
    return client.patch(SecretKind, namespace, name, patch, { fieldManager });
  }
}

type KeyWithValue = PlannedKey & { id: string; value: string };

/** The planned keys with their values from the Secret, or generated ones. */
function withValues(keys: readonly PlannedKey[], encoded: string): KeyWithValue[] {
  const lines = secretLines(Buffer.from(encoded, 'base64').toString('utf8'));
  const values = new Map(lines.map((line) => [keyIdOf(line), line]));
  return keys.map((key) => {
    const value = key.id === undefined ? randomBytes(KEY_BYTES).toString('base64') : values.get(key.id)!;
    return { ...key, id: keyIdOf(value), value };
  });
}

function rejectedWrite({ metadata }: PcfApi, name: string, answer: string): Issue {
  const { namespace } = metadata;
  return {
    reason: 'SigningKeyNotRotated',
    message:
      `the operator could not write Secret ${namespace}/${name} with the signing keys: ${answer}; set rbac.rotateSigningKeys ` +
      `of the Helm chart, or grant its ServiceAccount create and patch of Secrets in ${namespace}`,
  };
}
