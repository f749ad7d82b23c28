/** Names, labels and owner references, which identify the objects of a PcfApi. */
import { API_VERSION, FIELD_MANAGER, GROUP, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { apiVersionOf, type KubeObject, type ObjectMeta, type ResourceType } from '../runtime/kube-types.js';

export const LABELS = {
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
  revision: `${GROUP}/revision`,
  /** Stage of a migration Job. */
  stage: `${GROUP}/migration`,
  /** Metric and revision of an analysis Job. Not `revision`, which selects its migration Jobs. */
  analysis: `${GROUP}/analysis`,
  analysedRevision: `${GROUP}/analysed-revision`,
} as const;

export const MANAGED_SELECTOR = `${LABELS.managedBy}=${FIELD_MANAGER}`;
export type Component = 'api' | 'migration' | 'worker' | 'auth';

/** Labels of all objects of this PcfApi. */
export function commonLabels(api: PcfApi): Record<string, string> {
  return {
    [LABELS.name]: 'pcf-api',
    [LABELS.instance]: api.metadata.name,
    [LABELS.managedBy]: FIELD_MANAGER,
  };
}

/** Selects the serving pods of all revisions, or of one revision. */
export function podSelector(api: PcfApi, revision?: string): Record<string, string> {
  return {
    [LABELS.instance]: api.metadata.name,
    [LABELS.component]: 'api' satisfies Component,
    ...(revision ? { [LABELS.revision]: revision } : {}),
  };
}

export function selectorString(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Kubernetes deletes the object with its PcfApi. */
export function ownerReference(api: PcfApi) {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    name: api.metadata.name,
    uid: api.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * With any value, the operator adopts objects that were orphaned by the deletion of a PcfApi of this name
 * (`kubectl delete --cascade=orphan`). They have its labels and no owner.
 */
export const ADOPT_ORPHANS_ANNOTATION = `${GROUP}/adopt-orphans`;

/** The uid of the owner decides: an object of another owner can have the same name or label. */
export function isOwnedBy({ metadata }: KubeObject, api: PcfApi): boolean {
  const { ownerReferences = [] } = metadata;
  if (ownerReferences.length > 0) return ownerReferences.some(({ uid }) => uid === api.metadata.uid);
  return isOrphanOf(metadata, api) && api.metadata.annotations?.[ADOPT_ORPHANS_ANNOTATION] !== undefined;
}

/** Whether it has the labels of this PcfApi and no owner. */
export function isOrphanOf(metadata: ObjectMeta, api: PcfApi): boolean {
  return !metadata.ownerReferences?.length && hasLabelsOf(metadata, api);
}

export function hasLabelsOf({ labels }: ObjectMeta, api: PcfApi): boolean {
  return labels?.[LABELS.managedBy] === FIELD_MANAGER && labels[LABELS.instance] === api.metadata.name;
}

/** An object with the identity of this PcfApi. */
export function owned(
  api: PcfApi,
  type: ResourceType,
  name: string,
  body: {
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  } & Record<string, unknown>,
): KubeObject {
  const { labels, annotations, ...rest } = body;
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    metadata: {
      name,
      namespace: api.metadata.namespace,
      labels: { ...labels, ...commonLabels(api) },
      ...(annotations ? { annotations } : {}),
      ownerReferences: [ownerReference(api)],
    },
    ...rest,
  };
}
