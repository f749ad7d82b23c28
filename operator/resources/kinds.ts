/** Kubernetes kinds that the operator reads or writes. */
import { GROUP, KIND, PLURAL, VERSION } from '../api/v1alpha1/pcfapi.js';
import { WINDOW_KIND, WINDOW_PLURAL } from '../api/v1alpha1/pcfwindow.js';
import type { BeforeContract } from '../api/v1alpha1/spec/data.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';

const namespaced = (group: string, version: string, kind: string, plural: string): ResourceType => ({
  group,
  version,
  kind,
  plural,
  namespaced: true,
});

export const PcfApiKind = namespaced(GROUP, VERSION, KIND, PLURAL);
export const PcfWindowKind: ResourceType = {
  ...{ group: GROUP, version: VERSION, kind: WINDOW_KIND, plural: WINDOW_PLURAL },
  namespaced: false,
};
export const NamespaceKind: ResourceType = {
  ...{ group: '', version: 'v1', kind: 'Namespace', plural: 'namespaces' },
  namespaced: false,
};
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
export const GatewayKind = namespaced('gateway.networking.k8s.io', 'v1', 'Gateway', 'gateways');
export const GatewayClassKind: ResourceType = {
  ...{ group: 'gateway.networking.k8s.io', version: 'v1', kind: 'GatewayClass', plural: 'gatewayclasses' },
  namespaced: false,
};
/** All versions of the Gateway API serve it as v1beta1, including those before v1. */
export const ReferenceGrantKind = namespaced(
  'gateway.networking.k8s.io',
  'v1beta1',
  'ReferenceGrant',
  'referencegrants',
);
export const BackendTlsPolicyKind = namespaced(
  'gateway.networking.k8s.io',
  'v1',
  'BackendTLSPolicy',
  'backendtlspolicies',
);
export const IngressKind = namespaced('networking.k8s.io', 'v1', 'Ingress', 'ingresses');
export const NetworkPolicyKind = namespaced('networking.k8s.io', 'v1', 'NetworkPolicy', 'networkpolicies');
export const PodDisruptionBudgetKind = namespaced(
  'policy',
  'v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
);
export const HorizontalPodAutoscalerKind = namespaced(
  'autoscaling',
  'v2',
  'HorizontalPodAutoscaler',
  'horizontalpodautoscalers',
);
export const VerticalPodAutoscalerKind = namespaced(
  'autoscaling.k8s.io',
  'v1',
  'VerticalPodAutoscaler',
  'verticalpodautoscalers',
);
export const ServiceMonitorKind = namespaced(
  'monitoring.coreos.com',
  'v1',
  'ServiceMonitor',
  'servicemonitors',
);
export const CertificateKind = namespaced('cert-manager.io', 'v1', 'Certificate', 'certificates');
export const ExternalSecretKind = namespaced(
  'external-secrets.io',
  'v1',
  'ExternalSecret',
  'externalsecrets',
);

export const VolumeSnapshotKind = namespaced(
  'snapshot.storage.k8s.io',
  'v1',
  'VolumeSnapshot',
  'volumesnapshots',
);
/** CloudNativePG. */
export const BackupKind = namespaced('postgresql.cnpg.io', 'v1', 'Backup', 'backups');

/** Objects for a PcfApi without an owner: a backup must not be deleted with the PcfApi. */
export const BACKUP_KINDS: readonly ResourceType[] = [VolumeSnapshotKind, BackupKind];

/** Kinds that route requests to pods. */
export const ROUTES: readonly ResourceType[] = [VirtualServiceKind, HttpRouteKind, IngressKind];

/**
 * Kinds that a PcfApi can own. Objects that are no longer desired are deleted in this order: routes before
 * their destinations.
 */
export const OWNED_KINDS: readonly ResourceType[] = [
  VirtualServiceKind,
  HttpRouteKind,
  IngressKind,
  DestinationRuleKind,
  BackendTlsPolicyKind,
  GatewayKind,
  ReferenceGrantKind,
  HorizontalPodAutoscalerKind,
  VerticalPodAutoscalerKind,
  DeploymentKind,
  JobKind,
  ServiceKind,
  ConfigMapKind,
  ControllerRevisionKind,
  PodDisruptionBudgetKind,
  NetworkPolicyKind,
  ServiceMonitorKind,
  CertificateKind,
  ExternalSecretKind,
  ServiceAccountKind,
];

/** Kind of the backup that the spec requires before contract. */
export function beforeContractKind({ job, volumeSnapshot }: BeforeContract): ResourceType {
  if (job) return JobKind;
  return volumeSnapshot ? VolumeSnapshotKind : BackupKind;
}

/** Kind of an object of a PcfApi. */
export function typeOf({ kind }: KubeObject): ResourceType {
  const type = [...OWNED_KINDS, ...BACKUP_KINDS].find((candidate) => candidate.kind === kind);
  if (!type) throw new Error(`no kind ${kind} among OWNED_KINDS and BACKUP_KINDS`);
  return type;
}
