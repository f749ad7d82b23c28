/**
 * How pods receive Secrets: as files, which the kubelet updates and the API reloads, or as environment
 * variables, which do not change while a pod runs. With `onChange: Rollout` a changed Secret creates a new
 * revision.
 */
import { FILE_SUFFIX, SECRETS_DIR } from '../../contract/image.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import { type SecretKeyRef, secretSettings } from './secret-refs.js';

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: Record<string, unknown>;
}

interface SecretSources {
  env: EnvVar[];
  volumes: Record<string, unknown>[];
  volumeMounts: Record<string, unknown>[];
}

const VOLUME = 'secrets';

export function secretSources(spec: PcfApiSpec): SecretSources {
  const settings = secretSettings(spec);
  if (spec.secrets?.onChange === 'Rollout') {
    const env = settings.map(({ variable, ref: { name, key } }) => ({
      name: variable,
      valueFrom: { secretKeyRef: { name, key } },
    }));
    return { env, volumes: [], volumeMounts: [] };
  }
  return {
    env: settings.map(({ variable, ref }) => ({
      name: variable + FILE_SUFFIX,
      value: `${SECRETS_DIR}/${pathOf(ref)}`,
    })),
    volumes: [
      { name: VOLUME, projected: { defaultMode: 0o440, sources: sources(settings.map(({ ref }) => ref)) } },
    ],
    volumeMounts: [{ name: VOLUME, mountPath: SECRETS_DIR, readOnly: true }],
  };
}

function sources(refs: SecretKeyRef[]) {
  return [...Map.groupBy(refs, ({ name }) => name)].map(([name, keys]) => ({
    secret: {
      name,
      items: [...new Map(keys.map((ref) => [ref.key, { key: ref.key, path: pathOf(ref) }])).values()],
    },
  }));
}

function pathOf({ name, key }: SecretKeyRef): string {
  return `${name}/${key}`;
}
