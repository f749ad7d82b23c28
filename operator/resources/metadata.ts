/** Names, labels and owner references: how the objects of one PcfApi are told from all others. */
import { API_VERSION, FIELD_MANAGER, GROUP, KIND, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { apiVersionOf, type KubeObject, type ObjectMeta, type ResourceType } from '../runtime/kube-types.js';

export const LABELS = {
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
  revision: `${GROUP}/revision`,
  /** What a migration Job does. */
  stage: `${GROUP}/migration`,
  /** The metric that a Job measures, and of which revision. Not `revision`: its Jobs are its migrations. */
  analysis: `${GROUP}/analysis`,
  analysedRevision: `${GROUP}/analysed-revision`,
} as const;

export const MANAGED_SELECTOR = `${LABELS.managedBy}=${FIELD_MANAGER}`;
export type Component = 'api' | 'migration' | 'worker' | 'auth';

/** Labels of every object of this PcfApi. */
export function commonLabels(api: PcfApi): Record<string, string> {
  return {
    [LABELS.name]: 'pcf-api',
    [LABELS.instance]: api.metadata.name,
    [LABELS.managedBy]: FIELD_MANAGER,
  };
}

/** Selects the serving pods of all revisions; a revision narrows it to its own. */
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

/** Kubernetes deletes the object when its PcfApi goes. */
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
 * With any value, the operator adopts the objects that an earlier PcfApi of this name left
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

/** An object of this PcfApi, with its identity filled in. */
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
