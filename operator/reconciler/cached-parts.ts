/**
 * The parts of objects that the caches retain: with thousands of PcfApis, fields that nothing reads are most of the
 * memory. Fields that only a comparison with the desired object reads are stored as text.
 */
import { hasEnded } from '../migrations/job-view.js';
import {
  BackendTlsPolicyKind,
  CertificateKind,
  ConfigMapKind,
  ControllerRevisionKind,
  DeploymentKind,
  DestinationRuleKind,
  EndpointSliceKind,
  ExternalSecretKind,
  JobKind,
  NetworkPolicyKind,
  PodDisruptionBudgetKind,
  PodKind,
  ServiceKind,
  ServiceMonitorKind,
  VerticalPodAutoscalerKind,
} from '../resources/kinds.js';
import { Interner } from '../runtime/interned.js';
import type { FieldSet, KubeObject, ManagedFields, ObjectMeta, ResourceType } from '../runtime/kube-types.js';
import { packed } from '../runtime/packed.js';
import type { ContainerStatus, EndpointSlice, Pod } from './pod-state.js';

/** About ten per PcfApi, for ten thousand PcfApis. */
const interner = new Interner(100_000);
const shared = <T extends object>(value: T): T => interner.intern(JSON.stringify(value), () => value);

type Transform = (object: KubeObject) => KubeObject;

/** Kinds whose `spec` is read by the comparison only, apart from the selector of the Service of the API. */
const COMPARED_KINDS: readonly ResourceType[] = [
  ...[ServiceKind, NetworkPolicyKind, PodDisruptionBudgetKind, DestinationRuleKind, BackendTlsPolicyKind],
  ...[VerticalPodAutoscalerKind, ServiceMonitorKind, CertificateKind, ExternalSecretKind],
];

const TRANSFORMS: ReadonlyMap<ResourceType, Transform> = new Map<ResourceType, Transform>([
  [PodKind, podPart],
  [EndpointSliceKind, endpointSlicePart],
  [JobKind, jobPart],
  [DeploymentKind, deploymentPart],
  [ControllerRevisionKind, (object) => packed(compact(object), ['data'])],
  [ConfigMapKind, (object) => packed(compact(object), ['data'])],
  ...COMPARED_KINDS.map((type) => [type, (object: KubeObject) => packed(compact(object), ['spec'])] as const),
]);

/** The cached part of an object of this kind. */
export function cachedPart(type: ResourceType): Transform {
  return TRANSFORMS.get(type) ?? compact;
}

/** Everything except what `metadata.managedFields` has of the status. */
function compact(object: KubeObject): KubeObject {
  return { ...object, metadata: compactMetadata(object.metadata) };
}

function compactMetadata(metadata: ObjectMeta): ObjectMeta {
  const { labels, ownerReferences, managedFields, ...rest } = metadata;
  return {
    ...rest,
    ...(labels ? { labels: shared(labels) } : {}),
    ...(ownerReferences ? { ownerReferences: shared(ownerReferences) } : {}),
    ...(managedFields ? { managedFields: managedFields.flatMap(compactFields) } : {}),
  };
}

/** No field of a status is compared, or attributed to a manager. */
function compactFields({ fieldsV1, ...entry }: ManagedFields): ManagedFields[] {
  if (entry.subresource === 'status') return [];
  return [fieldsV1 ? { ...entry, fieldsV1: withoutUids(fieldsV1) } : entry];
}

const OWNER = /"k:\{\\"uid\\":\\"[^"]*\\"\}"/g;

/**
 * Field sets of objects of one kind differ only in the uid of the owner. Without it they are equal; which fields of
 * an owner reference a manager owns is not read.
 */
function withoutUids(fields: FieldSet): FieldSet {
  const text = JSON.stringify(fields).replace(OWNER, String.raw`"k:{\"uid\":\"\"}"`);
  return interner.intern(text, () => JSON.parse(text) as FieldSet);
}

function withoutManagedFields({ managedFields: _, ...metadata }: ObjectMeta): ObjectMeta {
  return compactMetadata(metadata);
}

/** The pods of a Deployment are equal in most conditions. */
export function podPart({ apiVersion, kind, metadata, status }: Pod): Pod {
  const { annotations: _, finalizers: __, ...identity } = withoutManagedFields(metadata);
  return {
    ...{ apiVersion, kind, metadata: identity },
    ...(status ? { status: podStatus(status) } : {}),
  };
}

function podStatus(status: NonNullable<Pod['status']>): NonNullable<Pod['status']> {
  const { phase, conditions, containerStatuses, initContainerStatuses } = status;
  return {
    ...(phase ? { phase } : {}),
    ...(conditions ? { conditions: conditions.map(conditionPart) } : {}),
    ...(initContainerStatuses ? { initContainerStatuses: initContainerStatuses.map(containerPart) } : {}),
    ...(containerStatuses ? { containerStatuses: containerStatuses.map(containerPart) } : {}),
  };
}

function conditionPart({ type, status, message }: { type: string; status: string; message?: string }) {
  return shared({ type, status, ...(message ? { message } : {}) });
}

function containerPart({ ready, restartCount, state, lastState }: ContainerStatus): ContainerStatus {
  const isRunning = state?.running !== undefined;
  return {
    ...(ready === undefined ? {} : { ready }),
    ...(restartCount === undefined ? {} : { restartCount }),
    ...(state ? { state: isRunning ? { running: {} } : state } : {}),
    ...(lastState && Object.keys(lastState).length > 0 ? { lastState } : {}),
  };
}

function endpointSlicePart({ apiVersion, kind, metadata, endpoints }: EndpointSlice): EndpointSlice {
  const { annotations: _, ...identity } = withoutManagedFields(metadata);
  return {
    ...{ apiVersion, kind, metadata: identity },
    ...(endpoints
      ? {
          endpoints: endpoints.map(({ conditions, targetRef }) => ({
            ...(conditions ? { conditions: shared({ ready: conditions.ready ?? false }) } : {}),
            ...(targetRef?.name ? { targetRef: { name: targetRef.name } } : {}),
          })),
        }
      : {}),
  };
}

/** The pod template of a Job is immutable, and only the result of a finished Job is read. */
function jobPart(job: KubeObject): KubeObject {
  if (!hasEnded(job)) return compact(job);
  const { spec: _, metadata, ...rest } = job;
  return { ...rest, apiVersion: job.apiVersion, kind: job.kind, metadata: withoutManagedFields(metadata) };
}

interface Deployment extends KubeObject {
  spec: { template: { spec: object; metadata?: object } };
}

function deploymentPart(object: KubeObject): KubeObject {
  const deployment = compact(object) as Deployment;
  const { spec } = deployment;
  return { ...deployment, spec: { ...spec, template: packed(spec.template, ['spec']) } };
}
