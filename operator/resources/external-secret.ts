import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { ExternalSecretKind } from './kinds.js';
import { owned } from './metadata.js';
import { secretRefs } from './secret-refs.js';

/**
 * One for each Secret that the spec names, with just the keys it reads. The store's
 * entry holds them as properties, which is how Vault, AWS Secrets Manager, GCP Secret
 * Manager and Azure Key Vault all keep a JSON object.
 */
export function externalSecrets(api: PcfApi): KubeObject[] {
  const { secrets } = api.spec;
  if (secrets?.provider !== 'ExternalSecrets' || !secrets.store) return [];
  const { store, path, refreshInterval } = secrets;
  return [...Map.groupBy(secretRefs(api.spec), ({ name }) => name)].map(([name, refs]) =>
    owned(api, ExternalSecretKind, name, {
      spec: {
        refreshInterval,
        secretStoreRef: { kind: store.kind, name: store.name },
        // The Secret outlives the ExternalSecret: pods that run must not lose it when the provider is changed.
        target: { name, creationPolicy: 'Orphan' },
        data: [...new Set(refs.map(({ key }) => key))].map((key) => ({
          secretKey: key,
          remoteRef: { key: path ?? name, property: key },
        })),
      },
    }),
  );
}
