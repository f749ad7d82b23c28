/** Routes of users, and PcfApis that follow them by `traffic.routeRef`. */
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { sharedHttpRoute } from '../../../operator/traffic/gateway-api-shared.js';
import { sharedVirtualService } from '../../../operator/traffic/istio-shared.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

export const OLD = 'api-bbbbbbbbbb';
export const NEW = 'api-cccccccccc';
const metadata = { name: 'mine', namespace: 'platform', uid: 'u', resourceVersion: '7' };

type Provider = 'Istio' | 'GatewayAPI';

export function apiWith(
  provider: Provider,
  canary: object = { stickiness: { cookie: { maxAge: '1h', sameSite: 'Lax' } } },
): PcfApi {
  const traffic = { provider, routeRef: { name: 'mine' } };
  return pcfApi({ traffic, strategy: { type: 'Canary', canary } } as never);
}

export const istio = apiWith('Istio');
export const gateway = apiWith('GatewayAPI');

export const virtualService = (...http: object[]): KubeObject => ({
  ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata },
  spec: { http },
});
export const httpRoute = (...rules: object[]): KubeObject => ({
  ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata },
  spec: { rules },
});

export const toApi = { route: [{ destination: { host: 'api' } }] };
export const backendRefs = [{ name: 'api', port: 80, weight: 1 }];
export const matching = (...headers: object[]) => ({ matches: [{ headers }], backendRefs });

export const limitsOf = (object: KubeObject, api = object.kind === 'HTTPRoute' ? gateway : istio) =>
  (object.kind === 'HTTPRoute' ? sharedHttpRoute : sharedVirtualService).limits(api, object);
