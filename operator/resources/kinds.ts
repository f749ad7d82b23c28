/** The Kubernetes kinds the operator reads or writes. */
import { GROUP, KIND, PLURAL, VERSION } from '../api/v1alpha1/pcfapi.js';
import type { ResourceType } from '../runtime/kube-client.js';

const namespaced = (group: string, version: string, kind: string, plural: string): ResourceType => ({
  group,
  version,
  kind,
  plural,
  namespaced: true,
});

export const PcfApiKind = namespaced(GROUP, VERSION, KIND, PLURAL);
export const DeploymentKind = namespaced('apps', 'v1', 'Deployment', 'deployments');
export const ControllerRevisionKind = namespaced('apps', 'v1', 'ControllerRevision', 'controllerrevisions');
export const ConfigMapKind = namespaced('', 'v1', 'ConfigMap', 'configmaps');
export const ServiceKind = namespaced('', 'v1', 'Service', 'services');
export const ServiceAccountKind = namespaced('', 'v1', 'ServiceAccount', 'serviceaccounts');
export const SecretKind = namespaced('', 'v1', 'Secret', 'secrets');
export const PodKind = namespaced('', 'v1', 'Pod', 'pods');
export const JobKind = namespaced('batch', 'v1', 'Job', 'jobs');
export const EndpointSliceKind = namespaced('discovery.k8s.io', 'v1', 'EndpointSlice', 'endpointslices');
export const VirtualServiceKind = namespaced(
  'networking.istio.io',
  'v1',
  'VirtualService',
  'virtualservices',
);
export const DestinationRuleKind = namespaced(
  'networking.istio.io',
  'v1',
  'DestinationRule',
  'destinationrules',
);
export const HttpRouteKind = namespaced('gateway.networking.k8s.io', 'v1', 'HTTPRoute', 'httproutes');

/** Everything a PcfApi may own. What it owns and no longer wants is removed, in this order: routes before what they lead to. */
export const OWNED_KINDS: readonly ResourceType[] = [
  VirtualServiceKind,
  HttpRouteKind,
  DestinationRuleKind,
  DeploymentKind,
  JobKind,
  ServiceKind,
  ConfigMapKind,
  ControllerRevisionKind,
  ServiceAccountKind,
];

export function apiVersionOf(type: ResourceType): string {
  return type.group ? `${type.group}/${type.version}` : type.version;
}
