import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { gatewayApi } from './gateway-api.js';
import { istio } from './istio.js';
import { none } from './none.js';
import type { TrafficRouter } from './router.js';

const routers = { Istio: istio, GatewayAPI: gatewayApi, None: none } as const;

/** The router of the spec. */
export function routerOf(api: PcfApi): TrafficRouter {
  return routers[api.spec.traffic?.provider ?? 'None'];
}

/** All kinds of routes that `traffic.routeRef` can name. */
export const SHARED_ROUTES = [istio.shared!, gatewayApi.shared!] as const;
