import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { type PcfApiSpec, pcfApiSpec } from '../../operator/api/v1alpha1/spec.js';

/** A PcfApi as the API server would return it, with the defaults of the schema. */
export function pcfApi(spec: Partial<PcfApiSpec> = {}): PcfApi {
  const traffic = {
    provider: 'Istio' as const,
    hosts: ['api.example.com'],
    gateways: ['istio-system/public'],
  };
  return {
    apiVersion: 'pcf.dev/v1alpha1',
    kind: 'PcfApi',
    metadata: { name: 'api', namespace: 'platform', uid: 'uid-1', resourceVersion: '7', generation: 3 },
    spec: pcfApiSpec.parse({
      image: 'registry.example.com/pcf-api:1.0.0',
      database: { secretRef: { name: 'pcf-api-secrets' } },
      traffic,
      ...spec,
    }),
  };
}

/** Migration settings with this mode and the defaults of the schema. */
export function migrations(
  mode: NonNullable<PcfApiSpec['migrations']>['mode'],
): NonNullable<PcfApiSpec['migrations']> {
  return { mode, contractDelay: '1h', deadline: '15m', backfillDeadline: '24h' };
}
