/** Kubernetes objects as plain JSON, and the API paths of their kinds. */

export interface ManagedFields {
  manager?: string;
  operation?: string;
  subresource?: string;
  time?: string;
  fieldsV1?: FieldSet;
}

/**
 * Fields that a manager owns, in the `FieldsV1` format: `f:name` is a field,
 * `k:{...}` an item of a list merged by keys, `v:...` an item of a set, and `.` the
 * node itself. Nothing below a field: the field is owned whole.
 * @see https://github.com/kubernetes-sigs/structured-merge-diff
 */
export interface FieldSet {
  [step: string]: FieldSet;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  deletionTimestamp?: string;
  creationTimestamp?: string;
  ownerReferences?: { uid: string; name: string; kind: string; controller?: boolean }[];
  managedFields?: ManagedFields[];
}

/** Any Kubernetes object. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** A kind and its API. `group` is empty for the core API. */
export interface ResourceType {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion?: string;
  limit?: number;
  continue?: string;
}

export interface WatchOptions extends ListOptions {
  /** Timeout of the watch, set by the client. */
  timeoutSeconds: number;
  /** WatchList (KEP-3157): starts with existing objects, then a bookmark, then continues as a watch. */
  sendInitialEvents?: boolean;
  resourceVersionMatch?: 'NotOlderThan';
}

export interface DeleteOptions {
  /** Deletes only the object with this uid, not a newer object of the same name. */
  uid?: string;
  /** Deletes the object only in this version. */
  resourceVersion?: string;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface KubeList {
  metadata: { resourceVersion: string; continue?: string };
  items: KubeObject[];
}

export function apiVersionOf({ group, version }: ResourceType): string {
  return group ? `${group}/${version}` : version;
}

export function collectionPath({ group, version, plural }: ResourceType, namespace?: string): string {
  const base = group ? `/apis/${group}/${version}` : `/api/${version}`;
  return namespace ? `${base}/namespaces/${encodeURIComponent(namespace)}/${plural}` : `${base}/${plural}`;
}

export function objectPath(type: ResourceType, namespace: string | undefined, name: string): string {
  return `${collectionPath(type, type.namespaced ? namespace : undefined)}/${encodeURIComponent(name)}`;
}
