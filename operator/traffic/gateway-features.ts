/**
 * Which features of the Gateway API a PcfApi needs, and which of them the class of a Gateway lacks. A class
 * reports its features in `status.supportedFeatures`:
 * https://gateway-api.sigs.k8s.io/geps/gep-2162/
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { GatewayKind } from '../resources/kinds.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { splitGateway } from './route-objects.js';

/** A Gateway of a PcfApi with its class. */
export interface GatewayClassView {
  /** As `namespace/name`. */
  gateway: string;
  className: string;
  /** Names of features. Empty: the class reports none, so nothing is known. */
  supported: readonly string[];
}

const CORE = 'HTTPRoute';

interface Need {
  feature: string;
  /** The field of the spec, or what needs the feature. */
  field: string;
}

/**
 * Weights of backends and matches of headers belong to the core of HTTPRoute, so that each class with the feature
 * supports them. The mirror always has a percentage, because it is limited to the capacity of the ready pods.
 */
function needsOf({ spec }: PcfApi): Need[] {
  return [
    { feature: CORE, field: 'traffic.provider GatewayAPI' },
    ...(spec.strategy?.canary?.mirror
      ? [{ feature: 'HTTPRouteRequestPercentageMirror', field: 'strategy.canary.mirror' }]
      : []),
    ...(spec.traffic?.backendTLS ? [{ feature: 'BackendTLSPolicy', field: 'traffic.backendTLS' }] : []),
  ];
}

/** A class that lists extended features of HTTPRoute supports its core, even if it does not list that. */
function isSupported(feature: string, supported: readonly string[]): boolean {
  if (feature !== CORE) return supported.includes(feature);
  return supported.some((name) => name.startsWith(CORE));
}

/** Message about the first Gateway whose class lacks a feature; undefined if none is known to lack one. */
export function unsupportedFeatures(api: PcfApi, gateways: readonly GatewayClassView[]): string | undefined {
  const needs = needsOf(api);
  for (const { gateway, className, supported } of gateways) {
    if (supported.length === 0) continue;
    const missing = needs.filter(({ feature }) => !isSupported(feature, supported));
    if (missing.length === 0) continue;
    const each = missing.map(({ feature, field }) => `${feature} (${field})`).join(' and ');
    return `GatewayClass ${className} of Gateway ${gateway} does not support ${each}; remove the field, or use a Gateway of another class`;
  }
  return undefined;
}

/** A Gateway that serves a PcfApi. `className`: known from the spec, because the operator creates the Gateway. */
export interface ParentGateway {
  namespace: string;
  name: string;
  className?: string;
}

/** The Gateways of the spec; with `traffic.routeRef`, the parents of that route. */
export function parentGateways(api: PcfApi, userRoute: KubeObject | undefined): ParentGateway[] {
  const { provider, gateways = [], gatewayClassName, routeRef } = api.spec.traffic ?? {};
  if (provider !== 'GatewayAPI') return [];
  if (routeRef) return userRoute ? parentsOf(userRoute) : [];
  const { namespace, name } = api.metadata;
  const own = gatewayClassName ? [{ namespace, name, className: gatewayClassName }] : [];
  const named = gateways.map((gateway) => {
    const parent = splitGateway(api, gateway);
    return { namespace: parent.namespace ?? namespace, name: parent.name };
  });
  return [...own, ...named];
}

interface RouteSpec {
  parentRefs?: { kind?: string; namespace?: string; name: string }[];
}

function parentsOf({ metadata, spec }: KubeObject): ParentGateway[] {
  const { parentRefs = [] } = (spec ?? {}) as RouteSpec;
  return parentRefs
    .filter(({ kind = GatewayKind.kind }) => kind === GatewayKind.kind)
    .map(({ namespace = metadata.namespace ?? '', name }) => ({ namespace, name }));
}

/** Features in the status of a GatewayClass. Before Gateway API v1.3 they were strings. */
export function supportedFeatures({ status }: KubeObject): string[] {
  const { supportedFeatures: features = [] } = (status ?? {}) as {
    supportedFeatures?: (string | { name: string })[];
  };
  return features.map((feature) => (typeof feature === 'string' ? feature : feature.name));
}
