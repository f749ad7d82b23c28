/** Checks of the cluster: the operator, its permissions, and the kinds that the PcfApi needs. */
import { FIELD_MANAGER, type PcfApi, VERSION } from '../../operator/api/v1alpha1/pcfapi.js';
import { render } from '../../operator/reconciler/render.js';
import {
  beforeContractKind,
  EndpointSliceKind,
  PcfApiKind,
  PodKind,
  SecretKind,
  ServiceAccountKind,
  typeOf,
} from '../../operator/resources/kinds.js';
import { isForbidden, isNotFound, type KubeClient } from '../../operator/runtime/kube-client.js';
import { collectionPath, type KubeObject, type ResourceType } from '../../operator/runtime/kube-types.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

const LeaseKind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};
const EventKind: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};
const AccessReviewKind: ResourceType = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
};

export const clusterChecks: Check[] = [
  crdInstalled,
  asAllowed('operator', operatorRuns),
  operatorRights,
  kindsInstalled,
];

/** Every user may read API discovery, but not every user may list objects. */
async function crdInstalled({ client }: Subject): Promise<Finding> {
  const check = 'PcfApi CRD';
  if (await client.serves(PcfApiKind)) return { check, outcome: 'ok', message: `${VERSION} is served` };
  const remedy = 'kubectl apply --server-side -f crds/';
  return {
    check,
    outcome: 'fail',
    message: `it is not installed, or does not serve version ${VERSION}`,
    remedy,
  };
}

async function operatorRuns({ client, operatorNamespace }: Subject): Promise<Finding> {
  const check = 'operator';
  const lease = await leaseOf(client, operatorNamespace);
  const { holderIdentity, renewTime, leaseDurationSeconds = 15 } = lease?.spec ?? {};
  const remedy = `install it, or set --operator-namespace; for its logs: kubectl logs -n ${operatorNamespace} deploy/pcf-operator`;
  if (!holderIdentity || !renewTime) {
    return {
      check,
      outcome: 'fail',
      message: `namespace ${operatorNamespace} has no operator with leadership`,
      remedy,
    };
  }
  const silentSeconds = Math.round((Date.now() - Date.parse(renewTime)) / 1000);
  if (silentSeconds > 2 * leaseDurationSeconds) {
    return {
      check,
      outcome: 'fail',
      message: `the leader ${holderIdentity} renewed its Lease last ${silentSeconds} s ago`,
      remedy,
    };
  }
  return { check, outcome: 'ok', message: `the leader is ${holderIdentity}` };
}

interface Lease extends KubeObject {
  spec?: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number };
}

async function leaseOf(client: KubeClient, namespace: string): Promise<Lease | undefined> {
  return (await found(client.get(LeaseKind, namespace, FIELD_MANAGER))) as Lease | undefined;
}

/** ServiceAccount of the leader pod; undefined if the pod can't be read. */
async function accountOf({ client, operatorNamespace }: Subject): Promise<string | undefined> {
  const lease = await leaseOf(client, operatorNamespace).catch(() => undefined);
  const [pod] = lease?.spec?.holderIdentity?.split('_') ?? [];
  const leader = pod && (await client.get(PodKind, operatorNamespace, pod).catch(() => undefined));
  return ((leader || {}) as Leader).spec?.serviceAccountName;
}

interface Leader {
  spec?: { serviceAccountName?: string };
}

interface Right {
  group: string;
  resource: string;
  subresource?: string;
  verb: string;
}

/** Permissions that the operator needs for a PcfApi and its objects. Exported for tests. */
export function rightsFor(api: PcfApi): Right[] {
  const to = ({ group, plural: resource }: ResourceType, verbs: string[], subresource?: string) =>
    verbs.map((verb): Right => ({ group, resource, verb, ...(subresource ? { subresource } : {}) }));
  const read = ['list', 'watch'];
  const own = [...read, 'create', 'patch'];
  return [
    ...to(PcfApiKind, [...read, 'patch']),
    ...to(PcfApiKind, ['patch'], 'status'),
    ...[PodKind, SecretKind, EndpointSliceKind].flatMap((type) => to(type, read)),
    ...to(EventKind, ['list', 'create', 'patch']),
    // The ServiceAccount is only deleted by garbage collection, with its PcfApi.
    ...kindsOf(api).flatMap((type) => to(type, type === ServiceAccountKind ? own : [...own, 'delete'])),
  ];
}

/** Checks with SubjectAccessReviews whether the operator has the permissions for this PcfApi. */
async function operatorRights(subject: Subject): Promise<Finding> {
  const check = 'operator permissions';
  const { client, api, operatorNamespace } = subject;
  const seen = await accountOf(subject);
  const account = seen ?? FIELD_MANAGER;
  const user = `system:serviceaccount:${operatorNamespace}:${account}`;
  const { namespace } = api.metadata;
  const answers = await Promise.all(
    rightsFor(api).map(async (right) => ({
      right,
      allowed: await isAllowed(client, user, namespace, right),
    })),
  );
  if (answers.some(({ allowed }) => allowed === undefined))
    return { check, outcome: 'skipped', message: 'your account may not create subjectaccessreviews' };
  const denied = Map.groupBy(
    answers.filter(({ allowed }) => !allowed),
    ({ right: { group, resource, subresource } }) =>
      [resource, subresource].filter(Boolean).join('/') + (group && `.${group}`),
  );
  if (denied.size === 0) return { check, outcome: 'ok', message: `${account} has all required permissions` };
  const each = [...denied].map(([what, of]) => `${of.map(({ right }) => right.verb).join(', ')} ${what}`);
  return {
    check,
    outcome: seen ? 'fail' : 'warn',
    message: `${account}${seen ? '' : ' (assumed ServiceAccount)'} may not ${each.join('; ')}`,
    remedy: 'apply the ClusterRole and ClusterRoleBinding of this operator version',
  };
}

async function isAllowed(
  client: KubeClient,
  user: string,
  namespace: string,
  right: Right,
): Promise<boolean | undefined> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: { name: '' },
    spec: { user, resourceAttributes: { ...right, namespace } },
  };
  const answer = await client.create(AccessReviewKind, review).catch((error: unknown) => {
    if (!isForbidden(error)) throw error;
    return undefined;
  });
  return (answer as { status?: { allowed?: boolean } } | undefined)?.status?.allowed;
}

async function kindsInstalled({ client, api }: Subject): Promise<Finding> {
  const check = 'kinds';
  const missing: string[] = [];
  for (const type of kindsOf(api)) {
    if (!(await client.serves(type))) missing.push(`${type.kind} (${type.group})`);
  }
  if (missing.length === 0) return { check, outcome: 'ok', message: 'all required CRDs are installed' };
  return {
    check,
    outcome: 'fail',
    message: `the cluster has no ${missing.join(', ')}`,
    remedy: 'install their projects, or remove the fields of spec that require them',
  };
}

function kindsOf(api: Subject['api']): ResourceType[] {
  const { beforeContract } = api.spec.migrations ?? {};
  const types = [...render(api).map(typeOf), ...(beforeContract ? [beforeContractKind(beforeContract)] : [])];
  return [...new Map(types.map((type) => [collectionPath(type), type])).values()];
}

async function found<T>(request: Promise<T>): Promise<T | undefined> {
  return request.catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}
