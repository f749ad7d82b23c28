import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { ExternalSecretKind } from './kinds.js';
import { owned } from './metadata.js';
import { secretRefs } from './secret-refs.js';

/**
 * One ExternalSecret per Secret of the spec, with the required keys. The entry of the store has them as
 * properties of a JSON object, as supported by Vault, AWS Secrets Manager, GCP Secret Manager and Azure Key
 * Vault.
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
        // The Secret is not deleted with the ExternalSecret: running pods must not lose it when the provider
        // changes.
        target: { name, creationPolicy: 'Orphan' },
        data: [...new Set(refs.map(({ key }) => key))].map((key) => ({
          secretKey: key,
          remoteRef: { key: path ?? name, property: key },
        })),
      },
    }),
  );
}
